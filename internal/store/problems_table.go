package store

import (
	"context"
	"slices"
)

const problemColumns = "client_id, error, description, parameter, sent, expected, count, first_at, last_at, request_id"

func scanProblem(r scanner) (p Problem, err error) {
	err = r.Scan(&p.ClientID, &p.Error, &p.Description, &p.Parameter, &p.Sent, intoJSON(&p.Expected), &p.Count,
		intoTime(&p.FirstAt), intoTime(&p.LastAt), &p.RequestID)
	return p, err
}

// Problems returns what went wrong for a client lately, the latest first: what
// is written and what waits in memory, at most 20.
func (s *Store) Problems(ctx context.Context, clientID string) ([]Problem, error) {
	written, err := all(s.read(ctx), scanProblem, "SELECT "+problemColumns+
		" FROM problems WHERE client_id = $1 ORDER BY last_at DESC LIMIT $2", clientID, maxClientProblems)
	if err != nil {
		return nil, s.mapped(ctx, err)
	}
	byKey := map[string]*Problem{}
	for _, p := range slices.Concat(written, s.problems.of(clientID)) {
		if known := byKey[p.key()]; known != nil {
			known.merge(&p)
			continue
		}
		byKey[p.key()] = &p
	}
	out := make([]Problem, 0, len(byKey))
	for _, p := range byKey {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b Problem) int { return b.LastAt.Compare(a.LastAt) })
	return out[:min(len(out), maxClientProblems)], nil
}

// chunk bounds what a transaction writes in the background: requests wait
// behind it.
const chunk = 200

// flushProblems writes the memory, commonly in one transaction. A name that is
// no client's writes nothing.
func (s *Store) flushProblems(ctx context.Context) error {
	taken := s.problems.take()
	for len(taken) > 0 {
		some := taken[:min(chunk, len(taken))]
		err := s.transaction(ctx, func(c conn) error { return putProblems(c, some) })
		if err != nil {
			s.problems.putBack(taken)
			return err
		}
		taken = taken[len(some):]
	}
	return nil
}

func putProblems(c conn, some []*Problem) error {
	written := map[string]bool{}
	for _, p := range some {
		isClient, err := putProblem(c, p)
		if err != nil {
			return err
		}
		if isClient {
			written[p.ClientID] = true
		}
	}
	if len(written) == 0 {
		return nil
	}
	return trimProblems(c, written)
}

func putProblem(c conn, p *Problem) (isClient bool, err error) {
	expected, err := toJSON(&p.Expected)
	if err != nil {
		return false, err
	}
	var id string
	err = c.row(`INSERT INTO problems (`+problemColumns+`, key)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11
		WHERE EXISTS (SELECT 1 FROM clients WHERE id = $1)
		ON CONFLICT (client_id, key) DO UPDATE SET description = excluded.description, expected = excluded.expected,
			count = problems.count + excluded.count, last_at = excluded.last_at, request_id = excluded.request_id
		RETURNING client_id`,
		p.ClientID, p.Error, p.Description, p.Parameter, p.Sent, expected, p.Count, unix(p.FirstAt),
		unix(p.LastAt), p.RequestID, p.key()).Scan(&id)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func trimProblems(c conn, clients map[string]bool) error {
	for id := range clients {
		if _, err := c.exec(`DELETE FROM problems WHERE client_id = $1 AND key NOT IN (SELECT key FROM problems
			WHERE client_id = $1 ORDER BY last_at DESC, key LIMIT $2)`, id, maxClientProblems); err != nil {
			return err
		}
	}
	_, err := c.exec(`DELETE FROM problems WHERE (client_id, key) IN (SELECT client_id, key FROM problems
		ORDER BY last_at DESC, client_id, key LIMIT $1 OFFSET $1)`, maxProblems)
	return err
}
