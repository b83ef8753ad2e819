-- one row per tax code and unit on which a person's decision is in force
with decision as (
    select * from {{ source('ops', 'tax_review_input') }}
),

final as (
    select
        tax_code,
        employer_id,
        verdict,
        decided_at,
        decided_by
    from decision
)

select * from final
