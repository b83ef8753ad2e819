-- What people were told about runs and senders, once, and by which channel it reached them.
-- Runs as vss_migrator.

create table ops.alert_message (
    message_no bigint generated always as identity primary key,
    recipient text not null check (recipient ~ '^(province-[0-9]{2}|tax|hq|operations)$'),
    run_id text not null,
    made_at timestamptz not null
);
create index on ops.alert_message (run_id, recipient);
comment on table ops.alert_message is
    'One row per message: everything that a call of tell had to say to one recipient for the first time.';
comment on column ops.alert_message.message_no is 'The message.';
comment on column ops.alert_message.recipient is 'Who is told: a sender, or operations.';
comment on column ops.alert_message.run_id is 'The run that found it.';
comment on column ops.alert_message.made_at is 'When it was found; its local date names the folder of the file.';

create table ops.alert (
    key text primary key,
    message_no bigint not null references ops.alert_message,
    place integer not null,
    subject_vi text not null,
    subject_en text not null,
    body_vi text not null,
    body_en text not null
);
create index on ops.alert (message_no);
comment on table ops.alert is
    'One row per thing that was told; the key makes it one and the same, so nothing is told twice. Codes and places, no values.';
comment on column ops.alert.key is 'What makes it one and the same.';
comment on column ops.alert.message_no is 'The message it stands in.';
comment on column ops.alert.place is 'Its place in the message, from 0.';
comment on column ops.alert.subject_vi is 'What is the matter, in Vietnamese.';
comment on column ops.alert.subject_en is 'What is the matter, in English.';
comment on column ops.alert.body_vi is 'What to do next, in Vietnamese.';
comment on column ops.alert.body_en is 'What to do next, in English.';

create table ops.alert_delivery (
    message_no bigint not null references ops.alert_message,
    channel text not null check (channel in ('file', 'mail', 'webhook')),
    state text not null default 'waiting' check (state in ('waiting', 'sent', 'no address')),
    attempts integer not null default 0,
    first_tried_at timestamptz,
    tried_at timestamptz,
    problem text,
    primary key (message_no, channel)
);
create index on ops.alert_delivery (channel, message_no) where state = 'waiting';
comment on table ops.alert_delivery is
    'One row per message and channel that was configured when it was made: sent, or how often it was tried and what was wrong.';
comment on column ops.alert_delivery.message_no is 'The message.';
comment on column ops.alert_delivery.channel is 'file, mail or webhook.';
comment on column ops.alert_delivery.state is 'waiting: tried again with the next call; sent; no address: the recipient has none.';
comment on column ops.alert_delivery.attempts is 'How often it was tried.';
comment on column ops.alert_delivery.first_tried_at is 'When it was tried first; a week later it is tried no more.';
comment on column ops.alert_delivery.tried_at is 'When it was tried last.';
comment on column ops.alert_delivery.problem is 'The kind of the last failure; never what a server said, an address or a password.';

grant select on ops.alert, ops.alert_message, ops.alert_delivery to vss_loader, vss_publisher, vss_engineer;
grant insert on ops.alert, ops.alert_message, ops.alert_delivery to vss_loader;
grant update on ops.alert_delivery to vss_loader;
