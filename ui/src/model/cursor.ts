/** The cursor of the next page that a `Link` header names (RFC 8288); empty where there is none. */
export function nextCursor(link: string | null): string {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1]
  return target ? (new URL(target, 'http://falaj').searchParams.get('after') ?? '') : ''
}
