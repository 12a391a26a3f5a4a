import { withQuery } from '../model/query'
import { t } from './preferences'

/** The way to the rows behind, and back to the first. */
export function Pages({ query, next, path }: { query: { [name: string]: string }; next: string; path: string }) {
  return (
    <nav class="pages" aria-label={t('pages')}>
      {query.after && <a href={withQuery(path, query, { after: '' })}>{t('pages.first')}</a>}
      {next && <a href={withQuery(path, query, { after: next })}>{t('pages.next')}</a>}
    </nav>
  )
}

