"""Job titles: what they say as delivered, and rules that users change: drafted, tried, counted, applied, kept in history."""

import pytest
from django.urls import reverse

from audience.models import FieldChange, Person, TitleRules
from audience.subjects import people, titles
from kit import jobs
from kit.models import AuditEntry, Job, User
from tests.asking import Api, user
from tests.factories import NOW, days_ago

pytestmark = pytest.mark.django_db

SAID = {
    "": ("", ""), "Chief Marketing Officer": ("marketing", "c_level"), "VP of Sales": ("sales", "vp"),
    "Senior Vice-President, Finance": ("finance", "vp"), "Assistant to the CEO": ("management", "entry"),
    "President": ("management", "c_level"), "Partner Manager": ("management", "manager"),
    "Account Manager": ("sales", "manager"), "Head of IT": ("it", "director"), "R&D Engineer": ("engineering", "other"),
    "Working Student HR": ("people", "entry"), "Co-Founder": ("management", "c_level"),
    "Team Leader Facilities": ("operations", "manager"), "Sr. Architect": ("engineering", "senior"),
    "Product Owner": ("product", "manager"), "Senior Product Owner": ("product", "manager"),
    "Chief Product Owner": ("product", "c_level"), "Owner": ("management", "c_level"),
    "Product Owner & Co-Founder": ("product", "c_level"), "Director's Assistant": ("other", "entry"),
    "Assistant to the Director": ("other", "entry"), "Personal Assistant, Director's Office": ("operations", "entry"),
    "Secretary to the Managing Director": ("management", "entry"), "VP's assistant": ("other", "entry"),
    "Project Manager Assistant": ("other", "entry"), "Assistant Director": ("other", "director"),
    "Purchaser": ("purchasing", "other"), "Poet": ("other", "other"), "Italian teacher": ("education", "other"),
}  # fmt: skip


def rules(*changes):
    """The rules as delivered, with others before them."""
    return [*changes, *titles.DEFAULTS]


POETS = {"of": "title_group", "value": "arts", "words": ["poet", "sculptor"], "unless": []}


def applied(draft):
    titles.write(draft, by=None, now=NOW)
    job = titles.apply(by=None, now=NOW)
    jobs.run(job.pk, NOW)
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.error
    return job


def test_what_titles_say_as_delivered():
    for title, (group, seniority) in SAID.items():
        assert titles.read(title, titles.in_force()) == {"title_group": group, "seniority": seniority}, title


def test_an_installation_keeps_the_rules_as_they_were_delivered_to_it_and_a_new_one_begins_with_those_of_now():
    api = Api(user(User.Role.OPS, "ops@example.com"))

    def read(title):
        return api.post("/title-rules/read/", {"title": title})["seniority"]

    titles.ensure_defaults(NOW)
    assert [read(title) for title in ("Product Owner", "Director's assistant")] == ["manager", "entry"]
    made("a@x.example", "Product Owner")
    titles.ensure_defaults(NOW)
    assert read("Product Owner") == "manager" and TitleRules.objects.count() == 1
    TitleRules.objects.all().delete()  # as before there was an edition as delivered
    titles.ensure_defaults(NOW)
    assert [read(title) for title in ("Product Owner", "Director's assistant")] == ["c_level", "director"]


def made(email, title, **more):
    return people.create({"email": email, "title": title} | more, source="crm", by=None, now=days_ago(5))


def test_rules_that_are_applied_change_whoever_followed_their_title_and_keep_what_was_in_the_history():
    poet, cook = made("a@x.example", "Poet"), made("b@x.example", "Cook")
    told = made("c@x.example", "Poet", title_group="sales")  # said of the person, whatever the title says
    titles.write(rules(POETS), by=None, now=NOW)
    assert titles.preview(titles.draft().rules, titles.in_force())[0] == 1
    assert Person.objects.get(pk=poet.pk).title_group == "other"  # a draft changes nothing
    job = applied(rules(POETS))
    for each in (poet, cook, told):
        each.refresh_from_db()
    assert (poet.title_group, cook.title_group, told.title_group) == ("arts", "other", "sales")
    assert job.result["changed"] == 1
    change = FieldChange.objects.get(person=poet, field="title_group")
    assert (change.old, change.source) == ("other", titles.SOURCE)
    assert made("d@x.example", "Sculptor").title_group == "arts"  # and whoever comes is read by them


def test_rules_are_not_applied_while_those_before_them_still_are():
    titles.write(rules(POETS), by=None, now=NOW)
    titles.apply(by=None, now=NOW)
    titles.write(rules(), by=None, now=NOW)
    with pytest.raises(titles.Refused):
        titles.apply(by=None, now=NOW)


@pytest.mark.parametrize(
    "bad",
    [
        {"of": "country", "value": "x", "words": ["a"]}, {"of": "seniority", "value": "", "words": ["a"]},
        {"of": "seniority", "value": "x", "words": []}, {"of": "seniority", "value": "x", "words": ["(a|b)+"]},
        {"of": "seniority", "value": "x", "words": ["a" * 101]}, {"of": "seniority", "value": "x" * 51, "words": ["a"]},
    ],
)  # fmt: skip
def test_rules_that_cannot_be_are_refused(bad):
    with pytest.raises(titles.Refused):
        titles.write([bad], by=None, now=NOW)
    assert titles.draft() is None


@pytest.mark.parametrize(("word", "fits"), [("r.d", ["r.d lead"]), ("c++ dev", ["C++ dev"]), ("总监", ["市场总监"])])
def test_words_are_words_and_never_patterns(word, fits):
    mine = [{"of": "title_group", "value": "mine", "words": [word], "unless": []}]
    for title in fits:
        assert titles.read(title, mine)["title_group"] == "mine"
    assert titles.read("rxd lead", mine)["title_group"] == "other"


def test_a_user_drafts_tries_and_applies_rules_on_pages(client):
    client.force_login(User.objects.create_user("ada@example.com", "x", role=User.Role.MARKETER))
    made("a@x.example", "Poet")
    page = client.get(reverse("title_rules_draft")).context
    data = {}
    for _of, _label, rows in page["sets"]:
        data |= {f"{rows.prefix}-{name}": value for name, value in rows.management_form.initial.items()}
        for row in rows:
            data |= {row.add_prefix(name): row.initial.get(name, "") for name in row.fields}
    last = max(int(key.split("-")[1]) for key in data if key.startswith("title_group-") and key.endswith("-words"))
    data |= {f"title_group-{last}-place": 1, f"title_group-{last}-value": "arts", f"title_group-{last}-words": "poet"}
    assert client.post(reverse("title_rules_draft"), data).status_code == 302
    page = client.get(reverse("title_rules"), {"title": "Poet"})
    assert page.context["count"] == 1 and [said["title_group"] for _w, said in page.context["tried"]] == [
        "other",
        "arts",
    ]
    answer = client.post(reverse("title_rules_apply"))
    job = TitleRules.objects.get().job
    assert answer.url == reverse("job", args=[job.pk])
    jobs.run(job.pk, NOW)
    assert Person.objects.get().title_group == "arts"
    assert AuditEntry.objects.filter(action="title_rules.apply").exists()
    data |= {f"title_group-{last}-words": "((("}
    assert client.post(reverse("title_rules_draft"), data).status_code == 400
    assert client.post(reverse("title_rules_discard")).status_code == 302
