//! The role that the handlers sign in as: it may read and write rows, and change nothing of the schema.

use tokio_postgres::Client;

/// Makes the role if there is none, and grants it what the handlers need, of what there is and of what later migrations
/// make. It has no password: one is set by whoever has it sign in by one; on RDS it signs in by IAM.
pub(crate) async fn admit(database: &Client, role: &str) -> anyhow::Result<()> {
    // The name is one without quotes in it; the settings see to that.
    let grants = format!(
        r#"begin;
        do $$ begin
            if not exists (select from pg_roles where rolname = '{role}') then
                create role "{role}" login;
            end if;
            if exists (select from pg_roles where rolname = 'rds_iam')
                and not exists (
                    select from pg_auth_members
                    where roleid = 'rds_iam'::regrole and member = '"{role}"'::regrole
                )
            then
                grant rds_iam to "{role}";
            end if;
            execute format('grant connect on database %I to "{role}"', current_database());
        end $$;
        grant usage on schema public to "{role}";
        grant select, insert, update, delete on all tables in schema public to "{role}";
        revoke insert, update, delete on refinery_schema_history from "{role}";
        grant usage, select on all sequences in schema public to "{role}";
        grant execute on all functions in schema public to "{role}";
        alter default privileges in schema public grant select, insert, update, delete on tables to "{role}";
        alter default privileges in schema public grant usage, select on sequences to "{role}";
        alter default privileges in schema public grant execute on functions to "{role}";
        commit"#
    );
    Ok(database.batch_execute(&grants).await?)
}
