import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ApiError } from './api.ts'
import { takeBack } from './back.ts'
import { followChanges } from './live.ts'
import { router } from './router.tsx'
import './styles/tokens.css'
import './styles/components.css'
import './styles/console.css'

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000, // what changes is asked again when busbar says so
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status >= 500),
    },
  },
})
const back = location.pathname === '/' ? takeBack() : undefined // from single sign-on
if (back !== undefined) router.history.replace(back)
followChanges(queries)

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
)
