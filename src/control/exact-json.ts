const { rawJSON } = JSON as unknown as { readonly rawJSON: (text: string) => unknown }

/** JSON whose numbers keep every digit when they are written again: an id of 20 digits must not be rounded on its way to people. */
export function parseExactly(json: string): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? rawJSON(context.source)
      : value
  return JSON.parse(json, revive) as unknown
}
