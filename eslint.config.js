import { existsSync } from 'node:fs'
import reactHooks from 'eslint-plugin-react-hooks'
import tseslint from 'typescript-eslint'

// What the oldest Node that busbar promises to run on (package.json, engines) does not have; the types know it all the same.
const newerGlobals = ['AsyncDisposableStack', 'DisposableStack', 'SuppressedError', 'Float16Array'].map(
  (name) => ({ name, message: 'Node 22 does not have it' }),
)
const newerProperties = [
  ['Promise', 'try'],
  ['RegExp', 'escape'],
  ['Error', 'isError'],
].map(([object, property]) => ({ object, property, message: 'Node 22 does not have it' }))

export default tseslint.config(
  {
    ignores: [
      'dist/**',
      'console/dist/**',
      '**/node_modules/**',
      '**/.busbar/**',
      'eslint.config.js',
      'console/public/**',
      // Their types come with what only the bench installs.
      ...(existsSync(new URL('bench/node_modules', import.meta.url))
        ? []
        : ['bullmq', 'graphile-worker', 'pg-boss'].map((peer) => `bench/src/peers/${peer}.ts`)),
    ],
  },
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': 'off',
      '@typescript-eslint/only-throw-error': 'error',
      'no-empty': ['error', { allowEmptyCatch: false }],
      'max-params': ['error', 4],
    },
  },
  {
    files: ['console/src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': reactHooks },
    rules: { 'react-hooks/rules-of-hooks': 'error', 'react-hooks/exhaustive-deps': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-globals': ['error', ...newerGlobals],
      'no-restricted-properties': ['error', ...newerProperties],
    },
  },
  {
    files: ['src/engine/**/*.ts'],
    ignores: ['src/engine/**/*.test.ts', 'src/engine/watchdog*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...newerGlobals,
        'setTimeout',
        'setInterval',
        'setImmediate',
        'performance',
      ],
      'no-restricted-properties': [
        'error',
        ...newerProperties,
        { object: 'Date', property: 'now', message: 'time comes in through the Clock port' },
        { object: 'Math', property: 'random', message: 'randomness comes in through the Random port' },
      ],
    },
  },
)
