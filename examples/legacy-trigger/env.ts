/** What comes from outside: where the old program's database is, and who must know of its orders. */
export const env = {
  databaseUrl: process.env['DATABASE_URL'] ?? 'postgres://postgres@127.0.0.1:5432/postgres',
  journalSchema: process.env['BUSBAR_SCHEMA'] ?? 'busbar',
  crmUrl: process.env['CRM_URL'] ?? 'http://127.0.0.1:7071',
  port: Number(process.env['BUSBAR_PORT'] ?? 7070),
} as const
