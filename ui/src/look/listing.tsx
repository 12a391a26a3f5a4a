import { useLocation } from 'preact-iso'
import type { ComponentChildren } from 'preact'
import type { Page as Rows } from '../api/client'
import { useFetched } from '../api/fetched'
import type { FalajEvent } from '../api/live'
import { withQuery } from '../model/query'
import { Empty, Page, Panel } from './page'
import { Pages } from './pages'
import { t } from './preferences'
import { type Column, Table } from './table'

/** A filter of a list: a choice where it has options, else a field. */
export type Filter = { name: string; label: string; options?: readonly (readonly [value: string, label: string])[]; example?: string }
export type Query = { [name: string]: string }

type ListingProps<T> = {
  title: string
  lead?: ComponentChildren
  filters: Filter[]
  columns: Column<T>[]
  load: (query: Query) => Promise<Rows<T>>
  concerns?: (event: FalajEvent) => boolean
  id: (row: T) => string
  empty: ComponentChildren
  command?: string
}

/** A page that is a list: filters in the address, rows, and the way to the next ones. */
export function Listing<T>({ title, lead, filters, columns, load, concerns, id, empty, command }: ListingProps<T>) {
  const { path, query } = useLocation()
  const fetched = useFetched(() => load(query), [path, JSON.stringify(query)], concerns)
  const filtered = Object.keys(query).length > 0
  return (
    <Page title={title} lead={lead}>
      {filters.length > 0 && <Filters filters={filters} />}
      <Panel fetched={fetched}>
        {({ rows, next }) => (
          <>
            {rows.length ? <Table caption={title} columns={columns} rows={rows} id={id} /> : <Empty command={filtered ? undefined : command}>{filtered ? t('none') : empty}</Empty>}
            <Pages query={query} next={next} path={path} />
          </>
        )}
      </Panel>
    </Page>
  )
}

function Filters({ filters }: { filters: Filter[] }) {
  const { query, path, route } = useLocation()
  const change = (name: string, value: string) => route(withQuery(path, query, { [name]: value, after: '' }))
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      {filters.map(({ name, label, options, example }) => (
        <label class={name}>
          {label}
          {options ? (
            <select value={query[name] ?? ''} onChange={(event) => change(name, event.currentTarget.value)}>
              {options.map(([value, text]) => <option value={value}>{text}</option>)}
            </select>
          ) : (
            <input name={name} value={query[name] ?? ''} dir="ltr" placeholder={example ?? ''} onChange={(event) => change(name, event.currentTarget.value.trim())} />
          )}
        </label>
      ))}
    </form>
  )
}

/** Options of a filter by state, with one for all of them. */
export function stateOptions(words: readonly string[]): [string, string][] {
  return [['', t('any')], ...words.map((word): [string, string] => [word, t(`state.${word}`)])]
}

/** What of a query a list is asked with: names that it knows and that have a value. */
export function asked(query: Query, names: readonly string[]): Query & { limit: number } {
  const chosen = Object.entries(query).filter(([name, value]) => value && (name === 'after' || names.includes(name)))
  return Object.assign(Object.fromEntries(chosen), { limit: 50 }) as Query & { limit: number }
}
