-- one row per office, commune or agent, month and indicator: the figure that a target asks for, or
-- the base of an increase
with target as (
    select * from {{ ref('int_target__in_force') }}
),

input as (
    select * from {{ source('ops', 'input') }}
    where
        feed in ('participants', 'employers', 'contributions', 'arrears')
        and territory_key is not null
),

to_date as (
    select * from {{ ref('int_month__to_date') }}
    where feed = 'contributions'
),

head as (
    select * from {{ ref('int_assignee__head') }}
),

unit as (
    select * from {{ ref('int_assignee__unit') }}
),

collection as (
    select * from {{ ref('int_assignee__collection') }}
),

arrears as (
    select * from {{ ref('int_assignee__arrears') }}
),

-- not materialized: read twice, each time from end to end
detail as not materialized (
    {% for feed, slice in [
        ('participants', 'head'),
        ('employers', 'unit'),
        ('contributions', 'collection'),
        ('arrears', 'arrears'),
    ] %}
        select
            '{{ feed }}' as feed,
            territory_key,
            month,
            assignee_kind,
            assignee_code,
            indicator,
            value
        from {{ slice }}
        {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

-- agents have no units: units and arrears are of offices and communes
source_feed as (
    select
        listed.indicator,
        listed.feed,
        kind.assignee_kind
    from (
        values
        {% for indicator in head_rules() %}
            ('{{ indicator }}', 'participants', array['office', 'commune', 'agent']),
        {% endfor %}
        ('units_managed', 'employers', array['office', 'commune']),
        ('arrears', 'arrears', array['office', 'commune']),
        ('arrears_hard_to_collect', 'arrears', array['office', 'commune']),
        ('arrears_interest_bearing', 'arrears', array['office', 'commune']),
        ('collection', 'contributions', array['office', 'commune', 'agent']),
        ('collection_si_compulsory', 'contributions', array['office', 'commune', 'agent']),
        ('collection_si_voluntary', 'contributions', array['office', 'commune', 'agent']),
        ('collection_ui', 'contributions', array['office', 'commune', 'agent']),
        ('collection_hi', 'contributions', array['office', 'commune', 'agent'])
    ) as listed (indicator, feed, assignee_kinds)
    cross join unnest(listed.assignee_kinds) as kind (assignee_kind)
),

wanted as (
    select
        asked.territory_key,
        asked.month,
        asked.assignee_kind,
        asked.assignee_code,
        asked.indicator,
        source_feed.feed
    from (
        select
            territory_key,
            month,
            assignee_kind,
            assignee_code,
            indicator
        from target
        union
        select
            territory_key,
            baseline_month as month,
            assignee_kind,
            assignee_code,
            indicator
        from target
        where baseline_month is not null
    ) as asked
    inner join source_feed
        on
            asked.indicator = source_feed.indicator
            and asked.assignee_kind = source_feed.assignee_kind
),

-- the months that make up a figure: a stock's own, of money January to the month while no file is
-- missing
part as (
    select
        feed,
        territory_key,
        month,
        month as part_month,
        true as is_whole
    from input
    where feed <> 'contributions'
    union all
    -- codes of a predecessor are other offices and communes: what came in there is not added
    select
        feed,
        territory_key,
        month,
        part_month,
        is_since_january and part_territory_key = territory_key as is_whole
    from to_date
),

-- what a file leaves without an office, commune or agent
unassigned as (
    select
        feed,
        territory_key,
        month,
        assignee_kind,
        indicator,
        coalesce(bool_or(assignee_code <> 'not_stated'), false) as is_named,
        sum(value) filter (where assignee_code = 'not_stated') as value
    from detail
    group by feed, territory_key, month, assignee_kind, indicator
),

file_kind as (
    select
        feed,
        territory_key,
        month,
        assignee_kind,
        bool_or(is_named) as is_named
    from unassigned
    group by feed, territory_key, month, assignee_kind
),

summed as (
    select
        wanted.feed,
        wanted.territory_key,
        wanted.month,
        wanted.assignee_kind,
        wanted.assignee_code,
        wanted.indicator,
        coalesce(sum(own.value), 0) as value,
        bool_or(file_kind.is_named) as is_named,
        bool_and(part.is_whole) as is_whole,
        bool_or(unassigned.value <> 0) as is_more_unassigned
    from wanted
    inner join part
        on
            wanted.feed = part.feed
            and wanted.territory_key = part.territory_key
            and wanted.month = part.month
    -- a row stands once per assignee and indicator: none of these joins fans out
    left join detail as own
        on
            wanted.feed = own.feed
            and wanted.territory_key = own.territory_key
            and part.part_month = own.month
            and wanted.assignee_kind = own.assignee_kind
            and wanted.assignee_code = own.assignee_code
            and wanted.indicator = own.indicator
    left join unassigned
        on
            wanted.feed = unassigned.feed
            and wanted.territory_key = unassigned.territory_key
            and part.part_month = unassigned.month
            and wanted.assignee_kind = unassigned.assignee_kind
            and wanted.indicator = unassigned.indicator
    left join file_kind
        on
            wanted.feed = file_kind.feed
            and wanted.territory_key = file_kind.territory_key
            and part.part_month = file_kind.month
            and wanted.assignee_kind = file_kind.assignee_kind
    group by
        wanted.feed, wanted.territory_key, wanted.month, wanted.assignee_kind,
        wanted.assignee_code, wanted.indicator
),

-- an assignee without a row in a file that names others has 0; where the files name none at all
-- nothing is known of any. Who has no agent deals with none; who has no office or commune stands
-- in one that is not stated.
final as (
    select
        summed.territory_key,
        summed.month,
        summed.assignee_kind,
        summed.assignee_code,
        summed.indicator,
        summed.value,
        input.as_of_date,
        case
            when not summed.is_whole then 'at_least'
            when summed.assignee_kind <> 'agent' and summed.is_more_unassigned then 'at_least'
            else 'exact'
        end as qualifier
    from summed
    -- one file per feed, territory and month: cannot fan out
    inner join input
        on
            summed.feed = input.feed
            and summed.territory_key = input.territory_key
            and summed.month = input.month
    where coalesce(summed.is_named, true)
)

select * from final
