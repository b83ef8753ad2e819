-- one row per plan document, revision, year, sender and province (or the nation) it assigns to
with plan_target as (
    select * from {{ ref('fct_plan_target') }}
),

document as (
    select
        plan_key,
        plan_document,
        revision,
        year,
        sender,
        current_province_code,
        min(issuer) as issuer,
        min(issued_date) as issued_date,
        count(*) as targets,
        min(from_month) as from_month,
        max(to_month) as to_month
    from plan_target
    group by plan_key, plan_document, revision, year, sender, current_province_code
),

final as (
    select
        plan_key,
        plan_document,
        revision,
        year,
        sender,
        issuer,
        current_province_code,
        issued_date,
        issued_date as valid_from,
        coalesce(
            lead(issued_date) over (
                partition by plan_document, year, sender, current_province_code order by revision
            ),
            'infinity'::date
        ) as valid_to,
        from_month,
        to_month,
        targets
    from document
)

select * from final
