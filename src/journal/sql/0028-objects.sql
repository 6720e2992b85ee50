-- Who did what to an object, a run, a step or a problem: acts are few, so the index costs nothing that anybody waits for.
CREATE INDEX audit_by_object ON audit (object, id);
