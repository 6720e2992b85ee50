-- All that is added: the program's role may publish, and each change of an order is published by the transaction that makes it.
SELECT busbar.grant_publish('legacy_app');

-- BEFORE, so that the number is in the row and in the event: events of one order count up.
CREATE FUNCTION legacy.count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN NEW.changed := OLD.changed + 1; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER count_change BEFORE UPDATE ON legacy.orders
  FOR EACH ROW EXECUTE FUNCTION legacy.count_change();

-- AFTER, so that the row is locked: whoever changes the same order next waits until this change is committed.
CREATE FUNCTION legacy.publish_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM busbar.publish(
    type => CASE TG_OP WHEN 'INSERT' THEN 'legacy.order.placed' ELSE 'legacy.order.changed' END,
    key => NEW.order_no,
    data => jsonb_build_object('number', NEW.order_no, 'customer', NEW.customer, 'amount', NEW.amount,
                               'state', NEW.state, 'revision', NEW.changed),
    source => 'urn:legacy:orders',
    sequence => NEW.changed
  );
  RETURN NULL;
END $$;
CREATE TRIGGER publish_order AFTER INSERT OR UPDATE ON legacy.orders
  FOR EACH ROW EXECUTE FUNCTION legacy.publish_order();
