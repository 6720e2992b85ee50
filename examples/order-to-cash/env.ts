/** What comes from outside: addresses, the shop's secret, where the journal lives. */
export const env = {
  erpUrl: process.env['ERP_URL'] ?? 'http://127.0.0.1:7071',
  accountingUrl: process.env['ACCOUNTING_URL'] ?? 'http://127.0.0.1:7072',
  logisticsUrl: process.env['LOGISTICS_URL'] ?? 'http://127.0.0.1:7073',
  shopSecret: process.env['SHOP_SECRET'] ?? 'a secret for trying out',
  journalFolder: process.env['BUSBAR_FOLDER'] ?? '.busbar',
  port: Number(process.env['BUSBAR_PORT'] ?? 7070),
} as const
