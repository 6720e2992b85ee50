-- Runs that have ended otherwise than by success: few, and looked for among millions. A plain success writes nothing here.
CREATE INDEX runs_ended_otherwise ON runs (state, flow, seq) WHERE state > 10;
