-- one row per tax code and unit on which a person's decision is in force, made on the unit itself
-- or on what it was before or after the map changed
with decision as (
    select * from {{ ref('stg_review__tax_match') }}
),

successor as (
    select * from {{ ref('int_employer__successor') }}
),

-- of a unit that several went into nobody can say which of them it was
sole_predecessor as (
    select
        successor_id,
        min(employer_id::text)::uuid as employer_id
    from successor
    group by successor_id
    having count(*) = 1
),

carried as (
    select
        tax_code,
        employer_id,
        verdict,
        true as is_own
    from decision
    union all
    select
        decision.tax_code,
        successor.successor_id as employer_id,
        decision.verdict,
        false as is_own
    from decision
    inner join successor on decision.employer_id = successor.employer_id
    union all
    select
        decision.tax_code,
        sole_predecessor.employer_id,
        decision.verdict,
        false as is_own
    from decision
    inner join sole_predecessor on decision.employer_id = sole_predecessor.successor_id
),

-- its own decision first; what two units went into is the one that is confirmed, whatever of the
-- other is refused
final as (
    select distinct on (tax_code, employer_id)
        tax_code,
        employer_id,
        verdict
    from carried
    order by tax_code asc, employer_id asc, is_own desc, (verdict = 'confirmed') desc
)

select * from final
