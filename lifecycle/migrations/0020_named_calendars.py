"""Stages name a working calendar, and the calendar's function is asked for one by name."""

from importlib import import_module

from django.db import migrations, models

before = import_module("lifecycle.migrations.0005_working_calendar")

CREATE = """
-- The working days of a calendar, from before `first` to so far after `last` that `hours` of work fit in: when each opens,
-- when it closes, and how many microseconds of work lie before it. `named` is a calendar's slug; where there is none of it,
-- the settings count, and `defaults` where a setting was never written.
CREATE FUNCTION working_calendar(
    named text, first timestamptz, last timestamptz, hours int, defaults jsonb,
    OUT opens timestamptz[], OUT closes timestamptz[], OUT before bigint[]
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    zone text;
    begins time[];  -- by weekday, Monday the first; NULL on one that is not worked
    ends time[];
    holidays date[];
    setting jsonb;
    a_week interval;
    lost interval;
    stretch int;
BEGIN
    IF named <> '' THEN
        SELECT own.zone, week.begins, week.ends,
               ARRAY(SELECT (free.day ->> 'on')::date FROM jsonb_array_elements(own.holidays) free(day))
        INTO zone, begins, ends, holidays
        FROM kit_workingcalendar own CROSS JOIN LATERAL (
            SELECT array_agg((worked.day ->> 'opens')::time ORDER BY number) AS begins,
                   array_agg((worked.day ->> 'closes')::time ORDER BY number) AS ends
            FROM generate_series(1, 7) number
            LEFT JOIN jsonb_array_elements(own.hours) worked(day) ON (worked.day ->> 'weekday')::int = number
        ) week
        WHERE own.slug = named;
    END IF;
    IF zone IS NULL THEN
        setting := defaults || (
            SELECT COALESCE(jsonb_object_agg(key, value), '{}') FROM kit_setting
            WHERE key IN ('zone', 'working_days', 'working_from', 'working_until', 'holidays'));
        zone := setting ->> 'zone';
        FOR number IN 1..7 LOOP
            begins[number] := CASE WHEN setting -> 'working_days' @> to_jsonb(number) THEN setting ->> 'working_from' END;
            ends[number] := CASE WHEN setting -> 'working_days' @> to_jsonb(number) THEN setting ->> 'working_until' END;
        END LOOP;
        holidays := ARRAY(SELECT jsonb_array_elements_text(setting -> 'holidays'));
    END IF;
    -- Any seven days in a row are a week's work, less what holidays take: those before the end have no say in it.
    a_week := (SELECT sum(ends[number] - begins[number]) FROM generate_series(1, 7) number);
    lost := (SELECT COALESCE(sum(ends[number] - begins[number]), '0') FROM unnest(holidays) free(day)
             CROSS JOIN LATERAL CAST(extract(isodow FROM free.day) AS int) number
             WHERE free.day >= (last AT TIME ZONE zone)::date);
    stretch := ceil((hours * 3600 + extract(epoch FROM lost)) / extract(epoch FROM a_week)) * 7 + 7;
    SELECT COALESCE(array_agg(open.at ORDER BY open.day), '{}'), COALESCE(array_agg(open.until ORDER BY open.day), '{}'),
           COALESCE(array_agg(open.worked ORDER BY open.day), '{}')
    INTO opens, closes, before
    FROM (
        SELECT hour.day, hour.at, hour.until, COALESCE(sum((extract(epoch FROM hour.until - hour.at) * 1000000)::bigint)
            OVER (ORDER BY hour.day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::bigint AS worked
        FROM (
            SELECT each::date AS day, (each::date + begins[weekday]) AT TIME ZONE zone AS at,
                   (each::date + ends[weekday]) AT TIME ZONE zone AS until
            FROM generate_series((first AT TIME ZONE zone)::date - 1,
                                 (last AT TIME ZONE zone)::date + stretch, interval '1 day') each
            CROSS JOIN LATERAL CAST(extract(isodow FROM each) AS int) weekday
            WHERE begins[weekday] IS NOT NULL AND each::date <> ALL (holidays)
        ) hour
    ) open;
END $$;

DROP FUNCTION working_calendar(timestamptz, timestamptz, int, jsonb);
"""

DROP = """
DROP FUNCTION working_calendar(text, timestamptz, timestamptz, int, jsonb);
"""


class Migration(migrations.Migration):
    dependencies = [("lifecycle", "0019_missed_limits"), ("kit", "0010_working_calendars")]
    operations = [
        migrations.AddField(
            model_name="stage",
            name="calendar",
            field=models.SlugField(
                blank=True, db_default="", db_index=False, default="", max_length=64, verbose_name="working calendar"
            ),
        ),
        migrations.RunSQL(CREATE, DROP + before.FUNCTION),
    ]
