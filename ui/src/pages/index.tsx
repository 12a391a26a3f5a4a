import { lazy } from 'preact-iso'
import { Page } from '../look/page'
import { t } from '../look/preferences'

/** The pages by address; each is a file of its own, fetched when it is opened. */
export const PAGES = [
  ['/login', lazy(() => import('./login'))],
  ['/runs', lazy(() => import('./runs'))],
  ['/runs/:id', lazy(() => import('./run'))],
] as const

/** What stands where no page is. */
export function Unknown() {
  return <Page title={t('unknown.title')} lead={t('unknown.lead')} />
}
