"""What the catalogue says of access: who owns what, who may do what, how rows are guarded, what is said of them."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from warehouse.connection import admin_url, open_connection
from warehouse.settings import Settings

Rights = dict[str, str]

_SCHEMAS = "('bi', 'marts', 'staging', 'reference', 'raw', 'ops', 'vault', 'gate')"
# a partition has its parent's rights and comes with a month
_OBJECTS = f"""
select c.relkind::text || ' ' || n.nspname || '.' || c.relname,
    c.relowner::regrole || ' ' || coalesce(array_to_string(c.reloptions, ','), '') || ' '
    || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(c.relacl) a), 'owner only') || ' '
    || case when n.nspname = 'bi' then coalesce(obj_description(c.oid, 'pg_class'), '') || ' ' || coalesce((
        select string_agg(a.attname || ': ' || coalesce(col_description(c.oid, a.attnum), ''), E'\\n' order by a.attnum)
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '') else '' end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname in {_SCHEMAS} and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and not c.relispartition
"""
_FUNCTIONS = f"""
select 'f ' || p.oid::regprocedure,
    p.proowner::regrole || ' ' || p.prosecdef || ' ' || coalesce(array_to_string(p.proconfig, ','), '') || ' '
    || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(p.proacl) a), 'everybody')
from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in {_SCHEMAS}
"""
_SPACES = """
select 'schema ' || n.nspname,
    n.nspowner::regrole || ' '
    || coalesce((select string_agg(a::text, ',' order by a::text) from unnest(n.nspacl) a), '')
from pg_namespace n where n.nspname !~ '^pg_(toast|temp)'
"""
_MEMBERS = """
select 'member ' || m.roleid::regrole || ' ' || m.member::regrole,
    m.admin_option || ' ' || m.inherit_option || ' ' || m.set_option from pg_auth_members m
"""
_POLICIES = """
select 'policy ' || l.polrelid::regclass || ' ' || l.polname, concat_ws(' ',
    l.polcmd, l.polpermissive, array(select m.role::regrole::text from unnest(l.polroles) as m (role) order by 1),
    c.relrowsecurity, c.relforcerowsecurity, pg_get_expr(l.polqual, l.polrelid))
from pg_policy l join pg_class c on c.oid = l.polrelid
"""
_SCOPES = "select 'scope ' || s.role_name, s.is_national || ' ' || array_to_string(s.provinces, ',') from ops.scope s"
_POWERS = """
select 'role ' || r.rolname, concat_ws(' ', r.rolsuper, r.rolbypassrls, r.rolcanlogin, r.rolcreaterole, r.rolcreatedb,
    r.rolreplication) from pg_roles r where r.rolname like 'vss\\_%'
"""


def access_of(settings: Settings) -> Rights:
    """By object, function, schema, role, membership, policy and scope: owner, options, rights, in bi comments."""
    return dict(_rows(settings, (_OBJECTS, _FUNCTIONS, _SPACES, _MEMBERS, _POLICIES, _SCOPES, _POWERS)))


def changed(before: Rights, after: Rights) -> list[str]:
    """What two states of access differ in, but for what is there only afterwards: a model's first rows make a table."""
    return [
        f"{name}: {before[name]!r} became {after.get(name)!r}" for name in before if before[name] != after.get(name)
    ]


def _rows(settings: Settings, queries: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    with open_connection(admin_url(settings)) as admin:
        for query in queries:
            for name, said in admin.execute(sql.SQL(query)).fetchall():
                yield str(name), str(said)
