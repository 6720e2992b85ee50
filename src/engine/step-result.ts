/** Results are read whenever the run goes on: they are references and amounts, not documents. */
const maxResultBytes = 65_536

/** What a step gave, as it is stored: exactly as later steps will see it, before and after a restart. */
export function storableResult(
  value: unknown,
): { readonly value: unknown } | { readonly code: string; readonly fault: string } {
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { code: 'step.result-invalid', fault: `its result is not JSON: ${message}` }
  }
  if (text === undefined) return { value: null }
  const bytes = Buffer.byteLength(text)
  if (bytes > maxResultBytes)
    return {
      code: 'step.result-invalid',
      fault: `its result has ${bytes} bytes, more than ${maxResultBytes}: give back what later steps need`,
    }
  return { value: JSON.parse(text.toWellFormed().replaceAll('\\u0000', '\\ufffd')) as unknown }
}
