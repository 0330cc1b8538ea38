-- What the pure functions of apps.loans.domain say, for sums over many loans; tests prove that the two agree.

-- Units of a day in act/act: a day of a leap year is 365 of 366 x 365, one of another year 366 of them.
CREATE OR REPLACE FUNCTION loans_day_units(day date) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN extract(doy FROM make_date(extract(year FROM day)::int, 12, 31)) = 366 THEN 365 ELSE 366 END
$$;

CREATE OR REPLACE FUNCTION loans_units_by_year(first date, last date) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN extract(year FROM first) = extract(year FROM last)
        THEN (last - first) * loans_day_units(first)
        ELSE (make_date(extract(year FROM first)::int + 1, 1, 1) - first) * loans_day_units(first)
           + (extract(year FROM last)::int - extract(year FROM first)::int - 1) * 366 * 365
           + (last - make_date(extract(year FROM last)::int, 1, 1)) * loans_day_units(last)
    END
$$;

-- The day `day_number` of the month that lies `months` after the month of `day`, or the last day of that month.
CREATE OR REPLACE FUNCTION loans_month_day(day date, months integer, day_number integer) RETURNS date
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(
        (date_trunc('month', day::timestamp) + make_interval(months => months) + make_interval(days => day_number - 1))::date,
        (date_trunc('month', day::timestamp) + make_interval(months => months + 1) - interval '1 day')::date
    )
$$;

-- Whole months as 30 units each, then actual odd days, never more than 30; an anchor of 0 is none.
CREATE OR REPLACE FUNCTION loans_units_by_month(anchor integer, first date, last date) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    day_number integer := extract(day FROM first);
    months integer := (extract(year FROM last) - extract(year FROM first)) * 12 + extract(month FROM last) - extract(month FROM first);
    reached date;
BEGIN
    IF anchor > 0 AND first = loans_month_day(first, 0, anchor) THEN
        day_number := anchor;
    END IF;
    reached := loans_month_day(first, months, day_number);
    IF reached > last THEN
        months := months - 1;
        reached := loans_month_day(first, months, day_number);
    END IF;
    RETURN months * 30 + least(last - reached, 30);
END
$$;

-- Units of the year fraction over the basis of the day count: 1 actual days, 2 act/act, 3 30/360. No month has less than 28 days.
CREATE OR REPLACE FUNCTION loans_units(day_count integer, anchor integer, first date, last date) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN last <= first THEN 0
        WHEN day_count = 1 OR (day_count = 3 AND last - first < 28) THEN last - first
        WHEN day_count = 2 THEN loans_units_by_year(first, last)
        ELSE loans_units_by_month(anchor, first, last)
    END
$$;

CREATE OR REPLACE FUNCTION loans_rounded(yuan numeric, half_even boolean) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN half_even AND (yuan * 100) % 1 = 0.5 THEN round(yuan * 50) / 50 ELSE round(yuan, 2) END
$$;

-- All interest of a loan from its first day to a day of its running period.
CREATE OR REPLACE FUNCTION loans_accrued(run loans_loanrun, day date) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT run.before + CASE
        WHEN day >= run.ends_on THEN run.interest
        ELSE loans_rounded(
            (run.carried + run.bears * (loans_units(run.day_count, run.anchor, run.starts_on, day) - run.units_done)) / run.basis,
            run.half_even)
    END
$$;

-- The tax in an amount that includes it.
CREATE OR REPLACE FUNCTION loans_tax(gross numeric, rate numeric) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round(gross * rate / (1 + rate), 2)
$$;

-- An amount split by parts: each but the first gets its rounded share, never more than is left; the first takes what is left.
CREATE OR REPLACE FUNCTION loans_parts(amount numeric, parts integer[]) RETURNS numeric[] LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    whole bigint := 0;
    part integer;
    share numeric;
    remaining numeric := abs(amount);
    others numeric[] := '{}';
BEGIN
    FOREACH part IN ARRAY parts LOOP
        whole := whole + part;
    END LOOP;
    FOREACH part IN ARRAY parts[2:] LOOP
        share := least(round(abs(amount) * part / whole, 2), remaining);
        remaining := remaining - share;
        others := others || (sign(amount) * share);
    END LOOP;
    RETURN (sign(amount) * remaining) || others;
END
$$;
