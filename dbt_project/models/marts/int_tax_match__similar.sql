-- one row per tax year, tax code without a unit and unit without a tax code whose names are alike
-- and about which nobody has decided: the queue of `vss review`
{{ config(slice_by=[], meta={'is_published': false}, pre_hook="{{ no_nested_loops() }}") }}

with tax_employer as (
    select * from {{ ref('int_tax_employer__latest') }}
),

employer_year as (
    select * from {{ ref('int_employer__tax_year') }}
),

matched_unit as (
    select * from {{ ref('fct_tax_match_unit') }}
),

other_year as (
    select * from {{ ref('int_employer__other_year') }}
),

decision as (
    select * from {{ ref('int_tax_match__decision') }}
),

threshold as (
    select * from {{ ref('tax_match_threshold') }}
),

-- what is closed or pays nobody needs no unit; a person's name is not compared
open_code as (
    select
        row_number() over () as code_no,
        tax_employer.tax_year,
        tax_employer.tax_code,
        tax_employer.name,
        tax_employer.address,
        tax_employer.current_province_code,
        {{ core_name('tax_employer.name') }} as core_name,
        {{ folded_text('tax_employer.address') }} as core_address
    from tax_employer
    left join matched_unit
        on
            tax_employer.tax_year = matched_unit.tax_year
            and tax_employer.tax_code = matched_unit.tax_code
    where
        matched_unit.tax_code is null
        and tax_employer.code_kind <> 'personal'
        and tax_employer.employees_paid > 0
        and tax_employer.status not in ('closed', 'closed_unfinalised', 'not_at_address')
),

open_unit as (
    select
        -row_number() over () as unit_no,
        employer_year.tax_year,
        employer_year.employer_id,
        employer_year.si_unit_code,
        employer_year.name,
        employer_year.address,
        employer_year.province_code,
        employer_year.current_province_code,
        {{ core_name('employer_year.name') }} as core_name,
        {{ folded_text('employer_year.address') }} as core_address
    from employer_year
    left join matched_unit
        on
            employer_year.tax_year = matched_unit.tax_year
            and employer_year.employer_id = matched_unit.employer_id
    left join other_year
        on
            employer_year.tax_year = other_year.tax_year
            and employer_year.employer_id = other_year.employer_id
    where
        matched_unit.employer_id is null
        and (employer_year.is_in_year or other_year.employer_id is not null)
        and employer_year.unit_type <> 'household'
),

open_year as (
    select tax_year
    from open_code
    group by tax_year
),

threshold_year as (
    select
        open_year.tax_year,
        max(threshold.value) filter (
            where threshold.threshold = 'name_similarity_minimum'
        ) as of_name,
        max(threshold.value) filter (
            where threshold.threshold = 'name_and_address_similarity_minimum'
        ) as of_both,
        max(threshold.value) filter (
            where threshold.threshold = 'similar_trigram_pairs_maximum'
        ) as pairs_of_a_trigram
    from open_year
    inner join threshold
        on
            make_date(open_year.tax_year, 12, 31) >= threshold.valid_from
            and make_date(open_year.tax_year, 12, 31) < threshold.valid_to
    group by open_year.tax_year
),

-- 'Xây dựng số 4' and 'Xây dựng số 5' are two firms, however alike the rest (R18): names meet
-- only within one province and one set of numbers
bearer as (
    select
        code_no as bearer_no,
        tax_year,
        current_province_code,
        core_name,
        {{ digit_words('core_name') }} as numbers,
        core_address is not null as has_address
    from open_code
    union all
    select
        unit_no as bearer_no,
        tax_year,
        current_province_code,
        core_name,
        {{ digit_words('core_name') }} as numbers,
        core_address is not null as has_address
    from open_unit
),

block as (
    select
        row_number() over () as block_no,
        tax_year,
        current_province_code,
        numbers
    from bearer
    group by tax_year, current_province_code, numbers
    having bool_or(bearer_no > 0) and bool_or(bearer_no < 0)
),

-- names as sets of trigrams, the rarest first. Two sets that are alike by at least t share one of
-- the first n - ceil(t * n) + 1 of either, in any order that is the same for both: only names that
-- do are compared. A trigram that very many names of a block share tells nothing: names that have
-- no rarer one in common stay out of the queue, or a large province would never end
trigram as (
    select
        bearer.bearer_no,
        block.block_no,
        threshold_year.pairs_of_a_trigram,
        case
            when bearer.has_address then least(threshold_year.of_name, threshold_year.of_both)
            else threshold_year.of_name
        end as threshold,
        unnest(show_trgm(bearer.core_name)) as trigram
    from bearer
    inner join block
        on
            bearer.tax_year = block.tax_year
            and bearer.current_province_code = block.current_province_code
            and bearer.numbers = block.numbers
    inner join threshold_year on bearer.tax_year = threshold_year.tax_year
),

numbered_trigram as (
    select
        block_no,
        trigram,
        row_number() over (order by count(*) asc) as trigram_no,
        count(*) filter (where bearer_no > 0) * count(*) filter (where bearer_no < 0)
        between 1 and max(pairs_of_a_trigram) as is_telling
    from trigram
    group by block_no, trigram
),

placed_trigram as (
    select
        trigram.bearer_no,
        trigram.threshold,
        numbered_trigram.trigram_no,
        numbered_trigram.is_telling,
        row_number() over name as place,
        count(*) over (partition by trigram.bearer_no) as trigrams
    from trigram
    inner join numbered_trigram
        on
            trigram.block_no = numbered_trigram.block_no
            and trigram.trigram = numbered_trigram.trigram
    window name as (partition by trigram.bearer_no order by numbered_trigram.trigram_no asc)
),

telling_trigram as (
    select *
    from placed_trigram
    where is_telling and place <= trigrams + 1 - ceil(trigrams * threshold)
),

-- what two names can share beyond their first trigram in common are those behind it
sharing_a_trigram as (
    select
        code.bearer_no as code_no,
        unit.bearer_no as unit_no
    from telling_trigram as code
    inner join telling_trigram as unit
        on
            code.trigram_no = unit.trigram_no
            and (1 + least(code.trigrams - code.place, unit.trigrams - unit.place))
            * (1 + greatest(code.threshold, unit.threshold))
            >= greatest(code.threshold, unit.threshold) * (code.trigrams + unit.trigrams)
    where code.bearer_no > 0 and unit.bearer_no < 0
    -- they may share several
    group by code.bearer_no, unit.bearer_no
),

-- names that are the same meet whatever their trigrams; a code of an unknown province meets them
-- in the whole country
of_the_same_name as (
    select
        open_code.code_no,
        open_unit.unit_no
    from open_code
    inner join open_unit
        on
            open_code.tax_year = open_unit.tax_year
            and open_code.core_name = open_unit.core_name
    where
        open_code.current_province_code is null
        or open_code.current_province_code = open_unit.current_province_code
),

pair as (
    select * from sharing_a_trigram
    union
    select * from of_the_same_name
),

compared as (
    select
        open_code.tax_year,
        open_code.tax_code,
        open_code.name as tax_name,
        open_code.address as tax_address,
        open_unit.employer_id,
        open_unit.si_unit_code,
        open_unit.name as unit_name,
        open_unit.address as unit_address,
        open_unit.province_code,
        open_unit.current_province_code,
        similarity(open_code.core_name, open_unit.core_name)::numeric as name_similarity,
        similarity(open_code.core_address, open_unit.core_address)::numeric as address_similarity
    from pair
    inner join open_code on pair.code_no = open_code.code_no
    inner join open_unit on pair.unit_no = open_unit.unit_no
),

alike as (
    select compared.*
    from compared
    inner join threshold_year on compared.tax_year = threshold_year.tax_year
    where
        compared.name_similarity >= threshold_year.of_name
        or (
            compared.name_similarity >= threshold_year.of_both
            and compared.address_similarity >= threshold_year.of_both
        )
),

final as (
    select
        alike.tax_year,
        alike.tax_code,
        alike.tax_name,
        alike.tax_address,
        alike.employer_id,
        alike.si_unit_code,
        alike.unit_name,
        alike.unit_address,
        alike.province_code,
        alike.current_province_code,
        alike.name_similarity,
        alike.address_similarity
    from alike
    left join decision
        on alike.tax_code = decision.tax_code and alike.employer_id = decision.employer_id
    where decision.tax_code is null
)

select * from final
