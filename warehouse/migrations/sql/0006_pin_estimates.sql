-- What the planner knows of the pin.
-- Runs as vss_migrator.

-- The function stands in the conditions themselves: the planner asks it and finds in the statistics how many slices are
-- shown. As a sub-select it was unknown, a ninth was guessed, and queries over dimensions looped over an index. It is
-- dear, so a long pointer is read through the index, which asks once; a short one costs next to nothing.
create or replace view ops.shown_slice as
select p.relation, p.slice_id
from ops.publication_slice p
where p.from_publication <= ops.shown_publication(current_user = 'vss_publisher')
  and p.to_publication > ops.shown_publication(current_user = 'vss_publisher')
  and (select ops.shown_publication(current_user = 'vss_publisher')) is not null;

create index on ops.publication_slice (to_publication, from_publication) include (slice_id);
analyze ops.publication_slice;
