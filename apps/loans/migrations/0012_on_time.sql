-- Payments of exactly what falls due, on its day, written as a replay of each loan would; answers what they move in the books.
-- `payments` are {"id", "loan_id", "amount", "source", "reference"}, one per loan, whose rows the caller has locked. Those of loans that are
-- not plain, owe anything else, have credit or a transaction on the day, were sold, are leases, or pay their last instalment, are passed over.
CREATE OR REPLACE FUNCTION loans_pay_on_time(
    today date, first_threshold integer, provision_rate numeric, payments json, who text, made timestamptz
) RETURNS TABLE (paid_id uuid, event text, component text, party_ref text, amount numeric) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH able AS MATERIALIZED (
        SELECT pay.id, pay.loan_id, pay.amount, pay.source, pay.reference, run.parts, run.parties, run.is_suspended, run.vat_rate,
               due.no, due.principal, due.interest, next.due_date AS next_due_date,
               run.accrued AS accrued_before, loans_accrued(run, today) AS accrued,
               coalesce(before.own, b.principal) AS own_principal, CASE WHEN run.parts IS NULL THEN due.principal ELSE (
                   SELECT coalesce(sum(p.now - p.was), 0)
                     FROM unnest(run.parties, loans_parts(coalesce(before.principal, 0), run.parts),
                                 loans_parts(coalesce(before.principal, 0) + due.principal, run.parts)) AS p(party, was, now)
                    WHERE p.party = '') END AS own_paid,
               coalesce(before.interest, 0) AS interest_before, coalesce(before.principal, 0) AS principal_before
          FROM json_to_recordset(payments) AS pay (id uuid, loan_id uuid, amount numeric, source text, reference text)
          JOIN loans_loan loan ON loan.id = pay.loan_id AND loan.state = 'active' AND NOT loan.is_lease
          JOIN loans_loanrun run ON run.loan_id = pay.loan_id AND run.is_plain AND NOT run.is_suspended AND run.ends_on > today
           AND run.next_event_on = today + 1 + least(run.grace_days, first_threshold) AND (run.parts IS NULL OR loan.opening IS NULL)
          JOIN loans_loanbalance b ON b.loan_id = pay.loan_id AND b.as_of = today AND b.next_due_date = today AND b.dpd = 0
           AND b.asset_class = 'normal' AND b.credit = 0 AND b.fee = 0 AND b.penalty = 0 AND b.compound = 0
           AND b.interest + b.principal_due = pay.amount
          JOIN LATERAL (
            SELECT i.no, i.principal - i.paid_principal - i.waived_principal AS principal,
                   i.interest - i.paid_interest - i.waived_interest AS interest
              FROM loans_instalment i WHERE i.loan_id = pay.loan_id AND i.due_date = today AND i.status = 'due'
          ) due ON due.principal = b.principal_due AND due.interest = b.interest
          JOIN LATERAL (  -- OFFSET 0: looked up by its number, not sought among all instalments of the loan
            SELECT n.due_date FROM loans_instalment n WHERE n.loan_id = pay.loan_id AND n.no = due.no + 1 AND n.status = 'future' OFFSET 0
          ) next ON true
          LEFT JOIN LATERAL (
            SELECT sum(a.target) FILTER (WHERE a.event = 'repayment' AND a.component = 'interest') AS interest,
                   sum(a.target) FILTER (WHERE a.event = 'repayment' AND a.component = 'principal') AS principal,
                   sum(CASE a.event WHEN 'disbursement' THEN a.target WHEN 'repayment' THEN -a.target END)
                       FILTER (WHERE a.component = 'principal' AND a.party_ref = '') AS own
              FROM loans_loanamount a WHERE a.loan_id = pay.loan_id AND run.parts IS NOT NULL
          ) before ON true
         WHERE NOT EXISTS (SELECT 1 FROM loans_loanamount a WHERE a.loan_id = pay.loan_id AND a.target <> a.booked)
           AND NOT EXISTS (
            SELECT 1 FROM loans_loantransaction t
             WHERE t.loan_id = pay.loan_id
               AND (t.value_date >= today OR t.reference = pay.reference OR (run.parts IS NOT NULL AND t.kind IN ('waiver', 'owner_transfer'))))
    ), accrued AS (  -- what the sums of the end of day have booked since the loan was written down
        SELECT loan_id, vat_rate, '' AS party, accrued_before AS was, accrued AS now FROM able WHERE parts IS NULL
        UNION ALL
        SELECT able.loan_id, able.vat_rate, p.party, p.was, p.now
          FROM able, unnest(able.parties, loans_parts(able.accrued_before, able.parts), loans_parts(able.accrued, able.parts)) AS p(party, was, now)
         WHERE able.parts IS NOT NULL
    ), since AS (
        SELECT loan_id, 'interest' AS component, party, now - was AS amount FROM accrued WHERE party <> ''
        UNION ALL
        SELECT loan_id, 'interest', party, now - loans_tax(now, vat_rate) - was + loans_tax(was, vat_rate) FROM accrued WHERE party = ''
        UNION ALL
        SELECT loan_id, 'interest_vat', party, loans_tax(now, vat_rate) - loans_tax(was, vat_rate) FROM accrued WHERE party = ''
    ), repaid AS (
        SELECT able.id, able.loan_id, whole.component, '' AS party, whole.paid AS amount
          FROM able, LATERAL (VALUES ('interest', able.interest), ('principal', able.principal)) AS whole (component, paid)
         WHERE able.parts IS NULL
        UNION ALL
        SELECT able.id, able.loan_id, whole.component, p.party, p.now - p.was
          FROM able,
               LATERAL (VALUES ('interest', able.interest_before, able.interest), ('principal', able.principal_before, able.principal))
                   AS whole (component, was, paid),
               unnest(able.parties, loans_parts(whole.was, able.parts), loans_parts(whole.was + whole.paid, able.parts)) AS p(party, was, now)
         WHERE able.parts IS NOT NULL
    ), moved AS MATERIALIZED (
        SELECT repaid.id, repaid.loan_id, 'repayment' AS event, repaid.component, repaid.party, repaid.amount FROM repaid WHERE repaid.amount <> 0
        UNION ALL
        SELECT id, loan_id, 'provision', 'principal', '', provision
          FROM (SELECT able.id, able.loan_id,
                       round((able.own_principal - able.own_paid) * provision_rate, 2) - round(able.own_principal * provision_rate, 2) AS provision
                  FROM able) own
         WHERE provision <> 0
    ), noted AS (
        INSERT INTO loans_loanamount AS a (loan_id, event, component, party_ref, target, booked)
        SELECT moved.loan_id, moved.event, moved.component, moved.party, moved.amount, moved.amount FROM moved
        UNION ALL
        SELECT since.loan_id, 'accrual', since.component, since.party, since.amount, since.amount FROM since WHERE since.amount <> 0
            ON CONFLICT ON CONSTRAINT one_amount_per_key
            DO UPDATE SET target = a.target + EXCLUDED.target, booked = a.booked + EXCLUDED.booked
    ), cleared AS (
        UPDATE loans_instalment i
           SET paid_principal = i.principal - i.waived_principal, paid_interest = i.interest - i.waived_interest,
               status = 'paid', cleared_on = coalesce(i.cleared_on, today)
          FROM able WHERE i.loan_id = able.loan_id AND i.no = able.no
    ), stood AS (
        UPDATE loans_loanbalance b
           SET principal = b.principal - able.principal, interest = 0, principal_due = 0, next_due_date = able.next_due_date
          FROM able WHERE b.loan_id = able.loan_id
    ), ran AS (
        UPDATE loans_loanrun run SET as_of = today, accrued = able.accrued, next_event_on = NULL
          FROM able WHERE run.loan_id = able.loan_id
    ), recorded AS (
        INSERT INTO loans_loantransaction
               (id, created_at, loan_id, kind, value_date, business_date, amount, source, reference, params, reason, actor)
        SELECT able.id, made, able.loan_id, 'repayment', today, today, able.amount, able.source, able.reference, '{}', '', who FROM able
    )
    SELECT moved.id, moved.event, moved.component, moved.party::text, moved.amount FROM moved;
END
$$;
