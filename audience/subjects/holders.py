"""Which tables hold a person or an account or what was said of them, and what erasure empties there; of the kit's too.

Ids, dates, kinds and amounts are no part of that: figures, funnels and ledgers rest on them.
"""

from audience import models
from audience.subjects import exclusions
from kit import registry
from kit.models import AuditEntry, IdempotencyKey, Notice

# Of somebody who has a role in them.
DEALS_OF = """SELECT deal_id AS id, person_id AS subject_id FROM audience_dealrole
    UNION SELECT id, account_id FROM audience_deal WHERE account_id IS NOT NULL"""
CHANGES_OF = """SELECT c.id, role.person_id AS subject_id
    FROM audience_dealstagechange c JOIN audience_dealrole role USING (deal_id)"""
LINES_OF, DEAL_CHANGES_OF = (
    f"SELECT part.id, whose.subject_id FROM {table} part JOIN ({DEALS_OF}) whose ON whose.id = part.deal_id"
    for table in ("audience_dealline", "audience_dealchange")
)
AMENDMENTS_OF = (
    "SELECT a.id, c.subject_id FROM audience_contractamendment a JOIN audience_contract c ON c.id = a.contract_id"
)
CONTRACT_CHANGES_OF = (
    "SELECT a.id, c.subject_id FROM audience_contractchange a JOIN audience_contract c ON c.id = a.contract_id"
)
# With an account, or somebody else in it, a deal is not this person's alone: their names are struck out of it.
SHARED = """held.account_id IS NOT NULL OR (SELECT count(DISTINCT person_id) FROM audience_dealrole
    WHERE deal_id = held.id) > 1"""
# What figures were asked by: whether somebody counted, whose they were. Links and a yes or no, no words.
KEPT_HISTORY = "held.field IN ('is_excluded', 'account', 'parent', 'owner')"
# A deal is its account's; without one it is that of the only person in it.
EMPTY_DEALS = f"""
    WITH subject (id) AS (SELECT unnest({{}}::bigint[])), theirs (id, subject_id) AS (
        SELECT held.id, subject.id FROM audience_deal held JOIN subject ON subject.id = held.account_id
        UNION SELECT held.id, min(subject.id) FROM audience_dealrole role JOIN subject ON subject.id = role.person_id
            JOIN audience_deal held ON held.id = role.deal_id AND NOT ({SHARED}) GROUP BY held.id)
    UPDATE audience_deal held SET name = '', reason = '', properties = '{{{{}}}}'
    FROM theirs WHERE theirs.id = held.id"""
# A refused row knows nobody; its cells may have somebody's address, or their name in the system that the file is from.
REJECTS_OF = """
    SELECT r.id, i.subject_id FROM audience_identity i JOIN audience_import f ON f.source = i.system
    JOIN audience_reject r ON r.imported_id = f.id AND r.raw ? i.external_id
    UNION ALL SELECT r.id, p.id FROM audience_person p JOIN audience_reject r
    ON p.email <> '' AND strpos(lower(r.raw::text), lower(p.email)) > 0"""
# Entries of the trail tell in their values about whom they are, or about which deal or contract.
ENTRIES_OF = rf"""
    SELECT id, said.number::bigint AS subject_id FROM kit_auditentry,
    LATERAL (VALUES (after ->> 'person'), (after ->> 'subject'), (before ->> 'person'),
        (CASE WHEN NOT after ? 'person' THEN after ->> 'account' END)) said (number)
    WHERE said.number ~ '^\d{{1,18}}$'
    UNION SELECT entry.id, role.person_id FROM kit_auditentry entry
    JOIN audience_deal held ON held.id::text = entry.after ->> 'deal' AND NOT ({SHARED})
    JOIN audience_dealrole role ON role.deal_id = held.id
    UNION SELECT entry.id, held.subject_id FROM kit_auditentry entry
    JOIN audience_contract held ON held.id::text = entry.after ->> 'contract'"""
# Answers of the API are kept as text: one person as a whole, or what was written of them.
ANSWERS_OF = r"""SELECT id, number::bigint AS subject_id
    FROM (SELECT id, body ->> CASE WHEN body ?| '{email,domain}' THEN 'id' ELSE 'person' END AS number
          FROM (SELECT id, (answer ->> 'body')::jsonb AS body FROM kit_idempotencykey) answers) kept
    WHERE number ~ '^\d{1,18}$'"""

PAIRS_OF = """SELECT id, one_id AS subject_id FROM audience_duplicate
    UNION ALL SELECT id, other_id FROM audience_duplicate"""
NUMBERS_OF = "SELECT n.id, p.id AS subject_id FROM audience_phonenumber n JOIN audience_person p ON p.phone = n.written"
MERGES_OF = """SELECT id, survivor_id AS subject_id FROM audience_merge
    UNION ALL SELECT id, merged_id FROM audience_merge"""
MERGED_ROWS_OF = f"SELECT r.id, m.subject_id FROM audience_mergedrows r JOIN ({MERGES_OF}) m ON m.id = r.merge_id"
# What was refused knows nobody; it may have somebody's address in it.
REFUSED_OF = """
    SELECT r.id, p.id AS subject_id FROM audience_person p JOIN audience_refusedsubmission r
    ON p.email <> '' AND strpos(lower(r.answers::text), lower(p.email)) > 0"""
VIEWS_OF, WAITING_OF = (
    f"""SELECT w.id, v.person_id AS subject_id FROM {table} w JOIN audience_visitor v ON v.id = w.visitor_id
        WHERE v.person_id IS NOT NULL"""
    for table in ("audience_pageview", "audience_waitingactivity")
)
# What was said of an activity speaks of everybody who took part in it.
UNNAMED_OF = """SELECT u.id, t.subject_id FROM audience_unnamedactivity u JOIN audience_activityparty t
    ON t.source = u.source AND t.external_id = u.external_id"""

WRITTEN = "EXISTS (SELECT FROM {{}} made WHERE made.tab = 'audience_{}' AND made.id = h.id)"  # by the import itself
# An activity, or what reverses it, or what reverses that.
BY_IMPORT = WRITTEN.format("activity").replace(
    "= h.id",
    "IN (h.id, h.reversal_of_id, (SELECT r.reversal_of_id FROM audience_activity r WHERE r.id = h.reversal_of_id))",
)
# So does one of another import that was rolled back, with what reverses it: it never was.
BY_IMPORT += """ OR EXISTS (SELECT FROM audience_activity g
    WHERE g.id IN (h.id, h.reversal_of_id) AND g.external_id LIKE '%% rolled-back:' || g.id)"""
SAID_BY_IMPORT = WRITTEN.format("consentrecord").replace("= h.id", "IN (h.id, h.reversal_of_id)")
TRACES_OF = """
    SELECT trace.id, coalesce(purchase.subject_id, contract.subject_id, matter.subject_id, traced) AS subject_id
    FROM audience_importtrace trace CROSS JOIN unnest(trace.ids) traced
    LEFT JOIN audience_purchase purchase ON trace.table = 'audience_purchase' AND purchase.id = traced
    LEFT JOIN audience_contract contract ON trace.table = 'audience_contract' AND contract.id = traced
    LEFT JOIN audience_case matter ON trace.table = 'audience_case' AND matter.id = traced
    WHERE trace.was IS NOT NULL AND trace.table IN
        ('audience_person', 'audience_account', 'audience_purchase', 'audience_contract', 'audience_case')
"""
# A row has the values of many; those of one are emptied, so that what others had can still return.
EMPTY_TRACES = """
    WITH subject (id) AS (SELECT unnest({}::bigint[])),
    theirs ("table", ids) AS (
        SELECT each, array_agg(id) FROM subject, unnest('{{audience_person, audience_account}}'::text[]) each GROUP BY 1
        UNION ALL SELECT 'audience_purchase', array_agg(p.id) FROM audience_purchase p
            JOIN subject ON p.subject_id = subject.id
        UNION ALL SELECT 'audience_contract', array_agg(c.id) FROM audience_contract c
            JOIN subject ON c.subject_id = subject.id
        UNION ALL SELECT 'audience_case', array_agg(m.id) FROM audience_case m JOIN subject ON m.subject_id = subject.id
        UNION ALL SELECT 'audience_deal', array_agg(mine.id) FROM (
            SELECT deal_id AS id FROM audience_dealrole JOIN subject ON person_id = subject.id
            UNION SELECT d.id FROM audience_deal d JOIN subject ON d.account_id = subject.id) mine)
    UPDATE audience_importtrace held SET was = (
        SELECT array_agg(CASE WHEN row.id = ANY (theirs.ids) THEN '{{}}'::jsonb ELSE row.was END ORDER BY row.place)
        FROM unnest(held.ids, held.was) WITH ORDINALITY row (id, was, place))
    FROM theirs WHERE held.table = theirs.table AND held.was IS NOT NULL AND held.ids && theirs.ids"""


def register_all() -> None:
    """Make every table of this floor that speaks of a subject known to merge, export and erasure."""
    holder = registry.holder
    activities = """SELECT id, coalesce(person_id, account_id) AS subject_id FROM audience_activity
        WHERE coalesce(person_id, account_id) IS NOT NULL"""
    # What is found by names comes before the names go.
    holder(models.Reject, "refused rows of imports", personal=("raw", "reason"), whose=REJECTS_OF)
    holder(models.RefusedSubmission, "refused submissions", goes=True, whose=REFUSED_OF, follows="true")
    holder(models.Identity, "identities", goes=True, follows=WRITTEN.format("identity"))
    same_role = """(theirs.account_id = ours.account_id OR theirs.person_id = ours.person_id)
        AND theirs.role = ours.role AND theirs.ends_on IS NULL AND ours.ends_on IS NULL"""
    holder(models.AccountRole, "roles in accounts", goes=True, follows=WRITTEN.format("accountrole"), same=same_role)
    by_rule = f"h.source IN {tuple(exclusions.SOURCES)} OR {WRITTEN.format('fieldchange')}"
    holder(models.FieldChange, "field changes", personal=("old",), stays=KEPT_HISTORY, follows=by_rule)
    holder(models.Activity, "activities", personal=("properties",), whose=activities, follows=BY_IMPORT)
    beside = "activities that are told above"
    holder(models.UnnamedActivity, "activities before", personal=("properties",), whose=UNNAMED_OF, silent=beside)
    same_party = "theirs.source = ours.source AND theirs.external_id = ours.external_id"
    party = WRITTEN.format("activityparty")
    holder(models.ActivityParty, "parts taken", goes=True, follows=party, same=same_party, silent=beside)
    same_deal = "theirs.deal_id = ours.deal_id AND theirs.role = ours.role"
    holder(models.DealRole, "roles in deals", personal=("role",), same=same_deal)
    holder(models.Deal, "deals", personal=("name", "reason", "properties"), whose=DEALS_OF, emptying=EMPTY_DEALS)
    holder(models.DealStageChange, "stages of deals", whose=CHANGES_OF)
    holder(models.DealLine, "products of deals", whose=LINES_OF)
    holder(models.DealChange, "former amounts of deals", whose=DEAL_CHANGES_OF)
    holder(models.Purchase, "purchases", personal=("properties",))
    holder(models.Contract, "contracts", personal=("name", "properties"))
    holder(models.ContractAmendment, "amendments of contracts", whose=AMENDMENTS_OF)
    holder(models.ContractChange, "former dates of contracts", whose=CONTRACT_CHANGES_OF)
    holder(models.Case, "cases", personal=("title", "properties"))
    holder(models.ConsentRecord, "consents", personal=("wording",), follows=SAID_BY_IMPORT)
    holder(models.Pause, "pauses")
    dynamic = "EXISTS (SELECT FROM audience_segment s WHERE s.id = h.segment_id AND s.kind = 'dynamic')"
    same_stay = "theirs.segment_id = ours.segment_id AND theirs.left_at IS NULL AND ours.left_at IS NULL"
    holder(models.SegmentMember, "segments", follows=dynamic, same=same_stay)
    seconds = "that somebody waits to be judged, for seconds"
    holder(models.Dirty, "changes to look at", silent=seconds, follows="true", merge=registry.STAYS)
    traces = "values that their history tells, and beside them those of others"
    holder(models.ImportTrace, "values before imports", whose=TRACES_OF, emptying=EMPTY_TRACES, silent=traces)
    holder(models.Tagged, "tags", goes=True, same="theirs.tag_id = ours.tag_id")
    holder(models.Duplicate, "possible duplicates", whose=PAIRS_OF, goes=True, silent="a guess", follows="true")
    holder(models.PhoneNumber, "telephone numbers as written", whose=NUMBERS_OF, goes=True, silent="values told above")
    told = "rows that are told above"
    holder(models.MergedRows, "rows that a merge moved", personal=("was",), whose=MERGED_ROWS_OF, silent=told)
    holder(models.Merge, "merges", personal=("was", "values"), whose=MERGES_OF)
    holder(models.Submission, "sent forms", personal=("answers", "origin", "browser"))
    holder(models.PageView, "page views", goes=True, whose=VIEWS_OF)
    at_once = "activities by the time that it is known whose they are"
    holder(models.WaitingActivity, "activities of strangers", goes=True, whose=WAITING_OF, silent=at_once)
    holder(models.Visitor, "browsers", goes=True, follows=WRITTEN.format("visitor"))
    holder(AuditEntry, "audit", personal=("target", "before", "after"), whose=ENTRIES_OF)
    holder(Notice, "notices", personal=("address", "title", "body", "link"))
    holder(IdempotencyKey, "answers kept", whose=ANSWERS_OF, goes=True, silent="copies of what stands elsewhere here")
    registry.spare(models.SavedMapping, models.ImportSchedule, models.TakenFile)
    registry.spare(
        models.Account, models.Product, models.Topic, models.Tag, models.Field, models.ActivityKind, models.Pipeline,
        models.PipelineStage, models.TitleRules, models.Channel, models.Cost, models.Retraction,
    )  # fmt: skip
    registry.spare(models.Form, models.FormEdition, models.FormFile)
