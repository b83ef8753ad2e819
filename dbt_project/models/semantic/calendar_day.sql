-- one row per day from 2015 to 2035
select day::date as day
from generate_series('2015-01-01'::date, '2035-12-31'::date, interval '1 day') as day
