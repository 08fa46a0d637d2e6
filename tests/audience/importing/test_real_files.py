"""Files of real systems: each is read with a guess that makes sense, or refused in words; none breaks anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import transaction

from audience import importing
from audience.importing import saved, sourced
from audience.models import Activity, Import, Product
from kit import jobs
from kit.models import Job
from tests.audience.importing.bringing import DATA, NOW, bring, shared

pytestmark = pytest.mark.django_db

FOLDERS = (
    "crm_exports_fivetran", "crm_salesforce", "crm_mautic", "crm_maven", "olist", "xeducation_leads", "nasty_input",
)  # fmt: skip
FIVETRAN = "crm_exports_fivetran/"
# The kind that a file seems to be, and what of it must be known.
SEEMS = {
    FIVETRAN + "hubspot/contact_data.csv": ("people", "external_id first_name last_name title account_name first_seen"),
    FIVETRAN + "hubspot/company_data.csv": ("accounts", "external_id name industry country annual_revenue"),
    FIVETRAN + "hubspot/deal_data.csv": ("deals", "external_id name amount pipeline stage created closed"),
    FIVETRAN + "hubspot/deal_contact_data.csv": ("deal_roles", "deal person_external_id"),
    FIVETRAN + "hubspot/deal_stage_data.csv": ("deal_stages", "deal stage occurred"),
    FIVETRAN + "hubspot/deal_company_data.csv": ("deal_accounts", "deal account_external_id"),
    FIVETRAN + "hubspot/engagement_contact_data.csv": ("activity_people", "activity person_external_id"),
    FIVETRAN + "salesforce/sf_opportunity_history_data.csv": ("deal_stages", "deal stage occurred"),
    FIVETRAN + "hubspot/engagement_call_data.csv": ("activities", "kind occurred"),
    FIVETRAN + "hubspot/engagement_email_data.csv": ("activities", "kind occurred"),
    FIVETRAN + "hubspot/ticket_data.csv": ("cases", "external_id title severity opened closed"),
    FIVETRAN + "marketo/marketo_lead_data.csv": ("people", "external_id email first_name last_name first_seen"),
    FIVETRAN + "marketo/marketo_activity_open_email_data.csv": ("activities", "external_id person_external_id occurred"),
    FIVETRAN + "marketo/marketo_activity_click_email_data.csv": ("activities", "external_id person_external_id occurred"),
    FIVETRAN + "salesforce/sf_account_data.csv": ("accounts", "name industry annual_revenue employees"),
    FIVETRAN + "salesforce/sf_contact_data.csv": ("people", "external_id email first_name last_name account_external_id"),
    FIVETRAN + "salesforce/sf_lead_data.csv": ("people", "external_id email source account_name account_domain"),
    FIVETRAN + "salesforce/sf_opportunity_data.csv": ("deals", "external_id name amount stage created account_external_id"),
    FIVETRAN + "salesforce/sf_task_data.csv": ("activities", "external_id kind occurred person_external_id"),
    FIVETRAN + "salesforce/sf_opportunity_line_item_data.csv": (
        "deal_lines", "deal product_external_id product quantity amount",
    ),
    FIVETRAN + "salesforce/sf_product_2_data.csv": ("products", "external_id name family"),
    FIVETRAN + "pardot/pardot_prospect_data.csv": ("people", "external_id first_name title account_name source"),
    FIVETRAN + "pardot/pardot_opportunity_data.csv": ("deals", "external_id name amount stage status created closed"),
    FIVETRAN + "pardot/pardot_opportunity_prospect_data.csv": ("deal_roles", "deal person_external_id"),
    FIVETRAN + "pardot/pardot_list_membership_data.csv": ("consents", "person_external_id withdrawn occurred"),
    FIVETRAN + "klaviyo/person.csv": ("people", "external_id email first_name phone"),
    FIVETRAN + "klaviyo/event.csv": ("activities", "external_id kind occurred person_external_id person_email"),
    FIVETRAN + "mailchimp/member.csv": ("people", "external_id email language"),
    FIVETRAN + "mailchimp/unsubscribe.csv": ("consents", "person_external_id occurred"),
    FIVETRAN + "iterable/event_data.csv": ("activities", "person_email kind occurred campaign"),
    FIVETRAN + "shopify/shopify_order_data.csv": ("purchases", "external_id person_external_id occurred amount currency"),
    FIVETRAN + "stripe/charge_data.csv": ("purchases", "external_id person_external_id occurred amount currency"),
    FIVETRAN + "stripe/subscription_data.csv": ("contracts", "external_id person_external_id starts_on renews_on"),
    FIVETRAN + "google_ads/ad_stats_data.csv": ("costs", "starts_on channel campaign amount"),
    "crm_salesforce/lwc-recipes/Accounts-Contacts.csv": ("people", "email first_name last_name title account_name"),
    "crm_salesforce/dataloader/samples/opportunityData.csv": ("deals", "external_id name amount stage created"),
    "crm_mautic/contacts.csv": ("people", "email first_name last_name"),
    "crm_mautic/fakeleaddata.csv": ("people", "email first_name last_name country account_name account_domain"),
    "crm_mautic/fakecompanydata.csv": ("accounts", "name industry city country"),
    "crm_mautic/fakepagehitdata.csv": ("activities", "anonymous_id occurred"),
    "olist/olist_marketing_qualified_leads_dataset.csv.gz": ("people", "external_id source first_seen"),
    "olist/olist_closed_deals_dataset.csv": ("deals", "person_external_id closed"),
    "xeducation_leads/Leads.csv.gz": ("people", "external_id source country city"),
}  # fmt: skip
# What was done, of files whose columns do not say it.
BY_NAME = {
    "marketo/marketo_activity_send_email_data.csv": "send email",
    "marketo/marketo_activity_open_email_data.csv": "open email",
    "marketo/marketo_activity_click_email_data.csv": "click email",
    "marketo/marketo_activity_email_bounced_data.csv": "email bounced",
    "marketo/marketo_activity_email_delivered_data.csv": "email delivered",
    "marketo/marketo_activity_unsubscribe_email_data.csv": "unsubscribe email",
    "hubspot/engagement_meeting_data.csv": "meeting",
    "hubspot/contact_form_submission_data.csv": "contact form submission",
}
TRIED = (  # small ones, of every kind, as they are guessed
    "hubspot/contact_data.csv", "hubspot/company_data.csv", "hubspot/deal_data.csv", "salesforce/sf_lead_data.csv",
    "salesforce/sf_task_data.csv", "klaviyo/event.csv", "iterable/event_data.csv", "stripe/charge_data.csv",
    "google_ads/ad_stats_data.csv", "pardot/pardot_list_membership_data.csv", "stripe/subscription_data.csv",
)  # fmt: skip
WHAT_FILES_ARE = Path(__file__).parent / "what_files_are.txt"  # each file as it is shipped: its kind, asks or refused
MAVEN = "crm_maven/CRM+Sales+Opportunities.zip"


def look(path: Path) -> Import:
    return importing.upload(path, "", source="x", by=None, now=NOW)


@pytest.mark.parametrize("path", SEEMS)
def test_a_file_is_known_by_its_columns(path: str) -> None:
    imported = look(shared(path))
    kind, fields = SEEMS[path]
    assert imported.kind == kind
    assert set(fields.split()) <= set(importing.guessed(imported).mapping.values())


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_what_it_was_looked_through_to_be_or_asks_or_is_refused_in_words(folder: str) -> None:
    lines = (line.split(maxsplit=1) for line in WHAT_FILES_ARE.read_text().splitlines())
    told = {path: kind for kind, path in lines if path.startswith(f"{folder}/")}
    found: dict[str, str] = {}
    for path in sorted(shared(folder).rglob("*")):
        if not path.is_file() or "LICENSE" in path.name:
            continue
        name = str(path.relative_to(DATA))
        try:
            with transaction.atomic():
                imported = look(path)
                for sheet in imported.mapping["options"].get("sheets", [""]):
                    if sheet:
                        importing.choose_sheet(imported, sheet)
                    found[f"{name}!{sheet}" if sheet else name] = imported.kind or "asks"
                    saved.fitting(imported.kind, imported.header)
        except importing.Refused as refused:
            assert refused.code in ("not_csv", "empty") and refused.message, path
            found[name] = "refused"
        else:
            importing.remove(Path(imported.path))
    assert found == told


@pytest.mark.parametrize("path, kind", BY_NAME.items())
def test_what_was_done_is_told_by_the_name_of_a_file_where_no_column_does(path: str, kind: str) -> None:
    imported = look(shared(FIVETRAN + path))
    assert (imported.kind, importing.guessed(imported).fixed) == ("activities", {f"={kind}": "kind"})


def test_activities_of_marketo_come_in_as_they_are_guessed() -> None:
    leads = tried(look(shared(FIVETRAN + "marketo/marketo_activity_send_email_data.csv")))
    assert importing.counts_of(leads)["created"] == 0, "nobody is known yet"
    header, *lines = (
        shared(FIVETRAN + "marketo/marketo_activity_send_email_data.csv").read_text("utf-8-sig").splitlines()
    )
    place = header.split(",").index("lead_id")
    known = dict.fromkeys(line.split(",")[place] for line in lines)
    bring("id,email\n" + "".join(f"{lead},l{lead}@x.example\n" for lead in known), source="x")
    importing.begin(leads, mapping=None, by=None, now=NOW)
    jobs.run(leads.job_id or 0, NOW)
    leads.refresh_from_db()
    counts = importing.counts_of(leads)
    assert counts["created"] == counts["rows"] == len(lines)
    assert set(Activity.objects.values_list("kind__slug", flat=True)) == {"send_email"}
    again = look(shared(FIVETRAN + "marketo/marketo_activity_send_email_data.csv"))
    assert importing.counts_of(tried(again))["unchanged"] == len(lines)


def test_a_kind_that_cannot_be_told_must_be_said_before_anything_is_tried() -> None:
    path = FIVETRAN + "hubspot/email_event_open_data.csv"
    imported = look(shared(path))
    assert imported.kind == ""
    with pytest.raises(importing.Refused) as refusal:
        importing.begin(imported, mapping=None, dry_run=True, by=None, now=NOW)
    assert refusal.value.code == "unknown_kind" and "people" in refusal.value.message
    with pytest.raises(importing.Refused):
        importing.start(shared(path), "", mapping=None, source="x", by=None, now=NOW)
    assert Import.objects.count() == 1, "what is refused leaves nothing"
    importing.choose_kind(imported, "activities")
    assert importing.guessed(imported).fixed == {"=email open": "kind"}


def tried(imported: Import, **more: object) -> Import:
    importing.begin(imported, mapping=None, dry_run=True, by=None, now=NOW, **more)  # type: ignore[arg-type]
    jobs.run(imported.job_id or 0, NOW)
    job = Job.objects.get(pk=imported.job_id)
    assert job.state == Job.State.DONE, job.error
    imported.refresh_from_db()
    return imported


@pytest.mark.parametrize("path", TRIED)
def test_a_dry_run_takes_most_of_its_rows_or_asks_for_the_people_first(path: str) -> None:
    imported = tried(look(shared(FIVETRAN + path)))
    counts = importing.counts_of(imported)
    asks = imported.rejects.filter(reason=sourced.NOBODY).count()
    assert counts["rows"] and counts["created"] + counts["skipped"] + counts["repeated"] + asks >= counts["rows"] / 2, (
        counts
    )


def test_names_that_differ_from_those_that_are_known_are_told_with_the_nearest() -> None:
    imported = look(shared(MAVEN))
    names = imported.mapping["options"]["sheets"]
    assert [Path(name).name for name in names] == [
        "accounts.csv", "data_dictionary.csv", "products.csv", "sales_pipeline.csv", "sales_teams.csv",
    ]  # fmt: skip
    importing.choose_sheet(imported, names[2])
    assert imported.kind == "products"
    importing.begin(imported, mapping=None, by=None, now=NOW)
    jobs.run(imported.job_id or 0, NOW)
    assert Product.objects.filter(name="GTX Pro").exists()
    pipeline = importing.upload(shared(MAVEN), "", source="x", by=None, now=NOW, sheet=names[3])
    assert pipeline.kind == "deals"
    tried(pipeline)
    told = importing.said.new_names(pipeline)
    assert [(each.name, each.nearest) for each in told if each.target == "product"] == [("GTXPro", "GTX Pro")]
    known = {each.column: each for each in importing.said.told(
        importing.kind_of("deals"), pipeline.mapping["columns"], importing.said.of(pipeline, importing.guessed(pipeline).columns)
    )}  # fmt: skip
    assert {value.text: value.proposed for value in known["product"].values}["GTXPro"] == "GTX Pro"
