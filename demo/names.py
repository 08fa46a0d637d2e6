"""Words that names are put together from: people of many countries, firms that do not exist, titles."""

from __future__ import annotations

GIVEN = {
    "german": "Anna Lukas Katrin Jonas Sabine Matthias Heike Florian Petra Tobias Miriam Stefan Ulrike Henrik Kai",
    "english": "Emma Oliver Grace Harry Megan Callum Sophie Daniel Charlotte Ryan Hannah Tyler Olivia Jacob Noah",
    "dutch": "Sanne Daan Femke Bram Lotte Joris Marieke Thijs Anouk Ruben Ilse Wouter",
    "french": "Camille Antoine Juliette Thibault Margaux Julien Aurelie Romain Chloe Mathieu Solene Bastien",
    "southern": "Lucia Marco Elena Javier Giulia Pablo Martina Diego Chiara Alvaro Carmen Lorenzo Ines Tiago",
    "nordic": "Ingrid Lars Astrid Mikael Sigrid Jonas Freja Henrik Solveig Anders Maja Eirik Karin Nils",
    "slavic": "Agnieszka Marek Zuzanna Piotr Jana Tomasz Katarzyna Pavel Monika Milan Irena Jakub",
    "arabic": "Amina Omar Layla Yusuf Fatima Khalid Noor Hassan Salma Tariq",
    "african": "Thandiwe Sipho Nomsa Kabelo Zanele Themba Lerato Bongani",
    "indian": "Priya Rahul Ananya Vikram Meera Arjun Kavita Sanjay Divya Rohan Lakshmi Nikhil",
    "japanese": "Yuki Haruto Sakura Kenji Aiko Ren Naomi Takumi Emi Daichi",
    "chinese": "Wei Jing Li Min Hao Xin Yan Lei Mei Jun",
    "malay": "Nurul Aziz Siti Farid Ayu Budi Dewi Putra",
    "thai": "Malee Somchai Anong Niran Kanya Prasert Ploy Thanom",
    "vietnamese": "Linh Minh Huong Duc Thao Quan Mai Tuan",
    "latin": "Valentina Mateo Camila Santiago Daniela Andres Mariana Emilio Renata Joaquin",
}
FAMILY = {
    "german": "Brandt Vogel Keller Lorenz Winkler Sommer Hartwig Kuhn Ebert Thiele Reuter Albers Busch Franke Pohl",
    "english": "Hughes Carter Bennett Walsh Foster Reed Marsh Holt Barker Whitfield Doyle Parsons Greer Maddox Tate",
    "dutch": "Bakker Visser Dekker Mulder Kuiper Hendriks Postma Verhoeven Brouwer Smit",
    "french": "Moreau Lefevre Girard Fontaine Roussel Perrin Chevalier Gauthier Marchand Lacombe",
    "southern": "Ferrari Romano Ortega Navarro Ricci Molina Serrano Conti Vidal Fonseca Almeida Greco",
    "nordic": "Lindqvist Hansen Nygaard Solberg Bergstrom Dahl Holm Eriksen Strand Halvorsen Lund Berg",
    "slavic": "Kowalska Novak Zielinski Horvat Wojcik Dvorak Mazur Kral Lis Sikora",
    "arabic": "Haddad Mansour Nasser Khoury Saleh Aziz Rahman Farouk",
    "african": "Dlamini Nkosi Mokoena Ndlovu Khumalo Sithole Maseko Zulu",
    "indian": "Sharma Patel Iyer Reddy Nair Gupta Menon Desai Rao Kulkarni Joshi Bose",
    "japanese": "Tanaka Suzuki Watanabe Kobayashi Mori Ishikawa Ogawa Hayashi Shimizu Endo",
    "chinese": "Chen Wang Zhang Liu Lin Huang Zhao Wu Xu Sun",
    "malay": "Rahim Hassan Wijaya Santoso Ismail Halim Suryadi Osman",
    "thai": "Srisai Wongsa Chaiyo Boonmee Saetang Suwan Kaewta Thongchai",
    "vietnamese": "Nguyen Tran Pham Le Hoang Vu Dang Bui",
    "latin": "Morales Castillo Rojas Herrera Vargas Fuentes Mendoza Salazar Rios Cortes",
}

# Country: its region, the peoples that names are drawn from, some cities, and how much of the region's firms it has.
COUNTRIES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], int]] = {
    "Germany": ("EMEA", ("german",), ("Hamburg", "Kassel", "Freiburg", "Leipzig"), 20),
    "Netherlands": ("EMEA", ("dutch",), ("Utrecht", "Groningen", "Zwolle"), 16),
    "United Kingdom": ("EMEA", ("english",), ("Bristol", "Hull", "Aberdeen"), 16),
    "Norway": ("EMEA", ("nordic",), ("Bergen", "Bodø", "Trondheim"), 12),
    "France": ("EMEA", ("french",), ("Nantes", "Lyon", "Rennes"), 10),
    "Spain": ("EMEA", ("southern",), ("Vigo", "Valencia", "Zaragoza"), 8),
    "Italy": ("EMEA", ("southern",), ("Parma", "Bari", "Verona"), 7),
    "Poland": ("EMEA", ("slavic",), ("Gdańsk", "Poznań", "Lublin"), 6),
    "South Africa": ("EMEA", ("african", "english"), ("Durban", "Gqeberha"), 3),
    "United Arab Emirates": ("EMEA", ("arabic", "indian"), ("Sharjah", "Al Ain"), 2),
    "United States": ("NA", ("english", "latin", "german"), ("Portland", "Milwaukee", "Boise", "Tampa", "Albany"), 70),
    "Canada": ("NA", ("english", "french", "chinese"), ("Halifax", "Kelowna", "Regina"), 22),
    "Mexico": ("NA", ("latin",), ("Mérida", "Querétaro"), 8),
    "Australia": ("APAC", ("english", "chinese"), ("Hobart", "Newcastle", "Cairns"), 34),
    "Japan": ("APAC", ("japanese",), ("Sendai", "Niigata", "Fukuoka"), 16),
    "New Zealand": ("APAC", ("english",), ("Nelson", "Dunedin"), 14),
    "India": ("APAC", ("indian",), ("Kochi", "Pune", "Vizag"), 14),
    "Vietnam": ("APAC", ("vietnamese",), ("Cần Thơ", "Đà Nẵng"), 9),
    "Thailand": ("APAC", ("thai",), ("Rayong", "Chiang Mai"), 7),
    "Indonesia": ("APAC", ("malay",), ("Surabaya", "Makassar"), 6),
}
LANGUAGES = {
    "Germany": "de", "Netherlands": "nl", "Norway": "nb", "France": "fr", "Spain": "es", "Italy": "it", "Poland": "pl",
    "Mexico": "es", "Japan": "ja", "Vietnam": "vi", "Thailand": "th", "Indonesia": "id",
}  # fmt: skip

PLACES = (
    "Alder Birk Brack Cald Dunn Elm Fenn Glen Har Isen Kest Lark Marr Nor Oster Pell Quar Rav Stell Thorn Ulv Vann "
    "Wick Yar Zell Ask Bran Corr Drev Eld Frost Gran Holm Iver Jarl Kirk Lun Mor Nest Orm"
).split()
ENDINGS = (
    "beck dale ford haven lund mere ness sund vik wold brook fjord mark shore stad bury holt rige moor water".split()
)
TRADES = {
    "Food & beverage": "Dairy Brewery Foods Bottling Juices Creamery Beverages Malting Preserves Packing".split(),
    "Aquaculture": "Salmon Seafarms Hatchery Aqua Shellfish Trout Shrimp Mariculture".split(),
    "Utilities": "Waterworks Water Utilities Reservoirs Sanitation".split(),
    "": "Group Industries Works Holding Trading".split(),
    "Distribution": "Instruments Process Measurement Automation Supply Engineering".split(),
}
FORMS = {
    "Germany": "GmbH", "Netherlands": "B.V.", "United Kingdom": "Ltd", "Norway": "AS", "France": "SAS", "Spain": "S.L.",
    "Italy": "S.r.l.", "Poland": "Sp. z o.o.", "South Africa": "(Pty) Ltd", "United Arab Emirates": "FZE",
    "United States": "Inc.", "Canada": "Ltd", "Mexico": "S.A.", "Australia": "Pty Ltd", "Japan": "K.K.",
    "New Zealand": "Ltd", "India": "Pvt Ltd", "Vietnam": "JSC", "Thailand": "Co.", "Indonesia": "PT",
}  # fmt: skip
SITES = ("North plant", "South plant", "East plant", "Harbour site", "Hillside site", "Old works")

TITLES = (
    "Quality Manager", "Head of Quality", "Plant Manager", "Operations Director", "Process Engineer", "Lab Technician",
    "Site Manager", "Production Manager", "Maintenance Engineer", "Chief Operating Officer", "Environmental Officer",
    "Purchasing Manager", "Water Quality Analyst", "Automation Engineer", "VP Operations", "Managing Director",
    "Compliance Manager", "Sustainability Lead", "Technical Director", "Hatchery Manager",
)  # fmt: skip
STAFF = ("Sales Engineer", "Account Manager", "Managing Director", "Technical Consultant", "Service Technician")
