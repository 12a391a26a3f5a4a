import { lazy } from 'preact-iso'
import { Page } from '../look/page'
import { t } from '../look/preferences'

/** The pages by address; each is a file of its own, fetched when it is opened. */
export const PAGES = [
  ['/', lazy(() => import('./inbox'))],
  ['/login', lazy(() => import('./login'))],
  ['/setup', lazy(() => import('./setup'))],
  ['/password', lazy(() => import('./password'))],
  ['/me', lazy(() => import('./me'))],
  ['/runs', lazy(() => import('./runs'))],
  ['/runs/:id', lazy(() => import('./run'))],
  ['/models', lazy(() => import('./models'))],
  ['/models/:model', lazy(() => import('./model'))],
  ['/models/:model/releases/:n', lazy(() => import('./release'))],
  ['/changes', lazy(() => import('./changes'))],
  ['/changes/:id', lazy(() => import('./change'))],
  ['/rollouts', lazy(() => import('./rollouts'))],
  ['/rollouts/:id', lazy(() => import('./rollout'))],
  ['/endpoints', lazy(() => import('./endpoints'))],
  ['/endpoints/:environment/:model', lazy(() => import('./endpoint'))],
  ['/alerts', lazy(() => import('./alerts'))],
  ['/alerts/:id', lazy(() => import('./alert'))],
  ['/monitoring/:environment/:model', lazy(() => import('./monitoring'))],
  ['/audit', lazy(() => import('./audit'))],
  ['/audit/:n', lazy(() => import('./audit-entry'))],
  ['/accounts', lazy(() => import('./accounts'))],
  ['/policy', lazy(() => import('./policy'))],
  ['/platform', lazy(() => import('./platform'))],
  ['/lineage', lazy(() => import('./lineage'))],
  ['/predictions/:id', lazy(() => import('./prediction'))],
] as const

/** What stands where no page is. */
export function Unknown() {
  return <Page title={t('unknown.title')} lead={t('unknown.lead')} />
}
