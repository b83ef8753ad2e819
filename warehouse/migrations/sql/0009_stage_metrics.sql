-- How much a stage of a run moved, and for whom: what run times are compared by.
-- Runs as vss_migrator.

alter table ops.run_stage
    add column sender text,
    add column rejected bigint,
    add column bytes bigint;
comment on table ops.run_stage is
    'One row per stage of a run: how long it took, how much it moved, and how it ended. '
    'Rows of the stage "build node" are nodes of dbt within the run''s build.';
comment on column ops.run_stage.subject is
    'What the stage was about: a submission, a publication, a node of dbt; null where the run as a whole.';
comment on column ops.run_stage.sender is 'The sender of the submission; null where the stage has none.';
comment on column ops.run_stage.rows is
    'Rows read from the sender''s files, slices staged, or rows built; null where nothing is counted.';
comment on column ops.run_stage.rejected is 'Of the rows read, those set aside; null where no file was read.';
comment on column ops.run_stage.bytes is 'Bytes of the files as they were sent; null where no file was read.';

-- a run is read by its name, a trend by stage and time
create index on ops.run_stage (run_id);
create index on ops.run_stage (stage, started_at);
