/** A small ERP to try the deployment on: it keeps sales in memory. In the place of your own systems. */
import { createServer } from 'node:http'

const sales: { id: number; reference: string; total: number }[] = []

const server = createServer((request, response) => {
  const answer = (status: number, body: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  if (request.method === 'GET') {
    const reference = new URL(request.url ?? '/', 'http://erp').searchParams.get('reference')
    return answer(200, reference === null ? sales : sales.filter((sale) => sale.reference === reference))
  }
  let text = ''
  request.on('data', (chunk: Buffer) => (text += chunk.toString()))
  request.on('end', () => {
    const { reference, total } = JSON.parse(text) as { reference: string; total: number }
    const sale = { id: sales.length + 1, reference, total }
    sales.push(sale)
    answer(201, sale)
  })
})
server.listen(Number(process.env['ERP_PORT'] ?? 7071), '0.0.0.0')
process.on('SIGTERM', () => server.close(() => process.exit(0)).closeIdleConnections())
