-- What was there before busbar: an order table that an old program writes to, and that program's role.
CREATE SCHEMA legacy;
CREATE TABLE legacy.orders (
  order_no text PRIMARY KEY,
  customer text,
  amount   numeric(12, 2) NOT NULL,
  state    text NOT NULL DEFAULT 'open',
  changed  integer NOT NULL DEFAULT 0        -- the old program does not care
);
GRANT USAGE ON SCHEMA legacy TO legacy_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON legacy.orders TO legacy_app;
