const { rawJSON, isRawJSON: isRaw } = JSON as unknown as {
  readonly rawJSON: (text: string) => unknown
  readonly isRawJSON: (value: unknown) => boolean
}

/** Whether it stands for a number that a double cannot hold. */
export function isRawJSON(value: unknown): boolean {
  return isRaw(value)
}

/** JSON whose numbers keep every digit when they are written again: an id of 20 digits must not be rounded on its way to people. */
export function parseExactly(json: string): unknown {
  const revive = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && String(value) !== context.source
      ? rawJSON(context.source)
      : value
  return JSON.parse(json, revive) as unknown
}
