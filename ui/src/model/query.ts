/** An address with some values of its query changed; an empty value takes the name away. */
export function withQuery(path: string, query: { [name: string]: string }, changes: { [name: string]: string }): string {
  const entries = Object.entries({ ...query, ...changes }).filter(([, value]) => value !== '')
  const text = new URLSearchParams(entries).toString()
  return text ? `${path}?${text}` : path
}
