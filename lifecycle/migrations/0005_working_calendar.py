"""The working calendar as functions of the database, so that their plans are kept and a move pays nothing for them."""

from django.db import migrations

FUNCTION = """
-- The working days from before `first` to so far after `last` that `hours` of work fit in: when each opens, when it
-- closes, and how many microseconds of work lie before it. `defaults` is told where a setting was never written.
CREATE FUNCTION working_calendar(
    first timestamptz, last timestamptz, hours int, defaults jsonb,
    OUT opens timestamptz[], OUT closes timestamptz[], OUT before bigint[]
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    setting jsonb := defaults || (
        SELECT COALESCE(jsonb_object_agg(key, value), '{}') FROM kit_setting
        WHERE key IN ('zone', 'working_days', 'working_from', 'working_until', 'holidays'));
    zone text := setting ->> 'zone';
    begins time := setting ->> 'working_from';
    ends time := setting ->> 'working_until';
    days int[] := ARRAY(SELECT jsonb_array_elements_text(setting -> 'working_days'));
    holidays date[] := ARRAY(SELECT jsonb_array_elements_text(setting -> 'holidays'));
    stretch int := (ceil(hours / (extract(epoch FROM ends - begins) / 3600)) + 2) * 7 / cardinality(days)
                   + cardinality(holidays) + 7;
BEGIN
    SELECT COALESCE(array_agg(open.at ORDER BY open.day), '{}'), COALESCE(array_agg(open.until ORDER BY open.day), '{}'),
           COALESCE(array_agg(open.worked ORDER BY open.day), '{}')
    INTO opens, closes, before
    FROM (
        SELECT hour.day, hour.at, hour.until, COALESCE(sum((extract(epoch FROM hour.until - hour.at) * 1000000)::bigint)
            OVER (ORDER BY hour.day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS worked
        FROM (
            SELECT each::date AS day, (each::date + begins) AT TIME ZONE zone AS at,
                   (each::date + ends) AT TIME ZONE zone AS until
            FROM generate_series((first AT TIME ZONE zone)::date - 1,
                                 (last AT TIME ZONE zone)::date + stretch, interval '1 day') each
            WHERE extract(isodow FROM each)::int = ANY (days) AND each::date <> ALL (holidays)
        ) hour
    ) open;
END $$;
"""

CREATE = (
    FUNCTION
    + """
-- The microseconds worked in a calendar before an instant.
CREATE FUNCTION worked_before(at timestamptz, opens timestamptz[], closes timestamptz[], before bigint[])
RETURNS bigint LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    place int := width_bucket(at, opens);
BEGIN
    IF place = 0 THEN
        RETURN 0;
    END IF;
    RETURN before[place] + (extract(epoch FROM least(at, closes[place]) - opens[place]) * 1000000)::bigint;
END $$;

-- When so many hours of work since an instant are over. What would be due when a day opens is due when the one before
-- it closes.
CREATE FUNCTION working_due(
    since timestamptz, hours int, opens timestamptz[], closes timestamptz[], before bigint[]
) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    target bigint := worked_before(since, opens, closes, before) + hours * 3600000000;
    place int := width_bucket(target - 1, before);
BEGIN
    RETURN opens[place] + (target - before[place]) * interval '1 microsecond';
END $$;
"""
)

DROP = """
DROP FUNCTION working_due(timestamptz, int, timestamptz[], timestamptz[], bigint[]);
DROP FUNCTION worked_before(timestamptz, timestamptz[], timestamptz[], bigint[]);
DROP FUNCTION working_calendar(timestamptz, timestamptz, int, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0004_live"), ("kit", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
