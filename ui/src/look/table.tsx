import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'

export type Column<T> = { head: string; cell: (row: T) => ComponentChildren; wide?: boolean; end?: boolean }
type TableProps<T> = { caption: string; columns: Column<T>[]; rows: T[]; id: (row: T) => string; current?: string }

/** A table of a list; `j` and `k` go through its rows, Enter opens the link of one. */
export function Table<T>({ caption, columns, rows, id, current }: TableProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null)
  return (
    <div class="table" role="region" aria-label={caption} tabIndex={0} onKeyDown={(event) => walk(event, body.current)}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" class={column.end ? 'end' : ''}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.map((row) => (
            <tr key={id(row)} aria-current={current === id(row) ? 'true' : undefined}>
              {columns.map((column) => (
                <td class={`${column.wide ? 'wide' : ''} ${column.end ? 'end' : ''}`}>{column.cell(row)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function walk(event: KeyboardEvent, body: HTMLTableSectionElement | null): void {
  const step = { j: 1, k: -1 }[event.key]
  if (!step || !body || event.ctrlKey || event.metaKey || event.altKey) return
  const links = [...body.querySelectorAll<HTMLAnchorElement>('tr > :first-child a, tr > :nth-child(2) a')]
  const at = links.indexOf(document.activeElement as HTMLAnchorElement)
  links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus()
  event.preventDefault()
}
