import { Connection } from 'rabbitmq-client'

/** Removes what a hub of the bench has declared at the broker: its exchange, and the queue of each partition. */
export async function removeTopology(
  url: string,
  exchange: string,
  { flows, partitions }: { readonly flows: readonly string[]; readonly partitions: number },
): Promise<void> {
  const connection = new Connection({ url, connectionTimeout: 5_000 })
  connection.on('error', () => undefined)
  for (const flow of flows)
    for (let part = 0; part < partitions; part++)
      await connection
        .queueDelete({ queue: `${exchange}.${flow}.${part}-${partitions}` })
        .catch(() => undefined)
  await connection.exchangeDelete({ exchange }).catch(() => undefined)
  await connection.close()
}
