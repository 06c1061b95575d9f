package oauth

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

const (
	maxDocument     = 5 << 10 // draft-ietf-oauth-client-id-metadata-document §6.6 recommends it
	maxDocuments    = 1000
	documentLife    = time.Hour
	documentMinLife = time.Minute
	// Fetches in a minute: for one network of one host, and of one host in all.
	documentsPerNetwork = 30
	documentsPerHost    = 600
)

// errTooOften is behind the refusal to fetch; what was known stays good then.
var errTooOften = errors.New("asked for too often")

// documents are the metadata documents that were fetched lately, and those that
// are being fetched: of many who ask at once, one does.
type documents struct {
	mu      *sync.Mutex
	known   map[[32]byte]document
	loading map[[32]byte]*loading
}

type document struct {
	client *Client
	until  time.Time
}

// loading is set when done is closed.
type loading struct {
	done   chan struct{}
	client *Client
	err    error
}

func newDocuments() documents {
	return documents{mu: new(sync.Mutex), known: map[[32]byte]document{}, loading: map[[32]byte]*loading{}}
}

// document fetches and judges the document behind an id, or remembers it.
// A failure is not remembered beyond those who wait for it.
func (s *Server) document(ctx context.Context, id, address string) (*Client, error) {
	key := sha256.Sum256([]byte(id)) // bounds what a long id takes of memory
	c, wait, mine := s.documents.look(key, s.Now())
	if c != nil {
		return c, nil
	}
	if mine {
		go func() {
			c, life, err := s.loadDocument(context.WithoutCancel(ctx), id, address)
			s.documents.loaded(key, wait, c, s.Now().Add(life), err)
		}()
	}
	select {
	case <-wait.done:
		return wait.client, wait.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Server) loadDocument(ctx context.Context, id, address string) (c *Client, life time.Duration, err error) {
	host, why := s.documentHost(id)
	if why != "" {
		return nil, 0, invalidRequest("client_id %s", why).about("client_id")
	}
	if !s.mayAct("document\x00"+networkOf(address)+"\x00"+host, documentsPerNetwork, time.Minute) ||
		!s.mayAct("document\x00"+host, documentsPerHost, time.Minute) {
		return nil, 0, invalidRequest("the document at client_id is asked for too often; try again in a minute").about("client_id").because(errTooOften)
	}
	fetched, err := s.strangers().Get(ctx, id, maxDocument, "application/json", "application/cimd+json", "application/client-id-metadata-document+json")
	if err != nil {
		return nil, 0, invalidRequest("the document at client_id could not be fetched").about("client_id").because(err)
	}
	c, refused := s.readDocument(id, fetched.Body)
	if refused != nil {
		return nil, 0, refused
	}
	if err := s.checkSector(ctx, c); err != nil {
		return nil, 0, invalidRequest("the document at client_id is not a good registration: %s", AsError(err).Description).about("client_id").because(err)
	}
	return c, min(max(fetched.MaxAge, documentMinLife), documentLife), nil
}

// strangers is what fetches for those whom nobody has vouched for; it has its
// own share of the connections, so that they can't take everybody's.
func (s *Server) strangers() Outbound {
	if s.Strangers != nil {
		return s.Strangers
	}
	return s.Outbound
}

// look finds a document that is good; else wait is what to wait for, and mine
// says that the caller is to fetch it.
func (d *documents) look(key [32]byte, now time.Time) (c *Client, wait *loading, mine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.known[key]; ok && now.Before(known.until) {
		return known.client, nil, false
	}
	if wait = d.loading[key]; wait != nil {
		return nil, wait, false
	}
	wait = &loading{done: make(chan struct{})}
	d.loading[key] = wait
	return nil, wait, true
}

func (d *documents) loaded(key [32]byte, wait *loading, c *Client, until time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	wait.client, wait.err = c, err
	close(wait.done)
	delete(d.loading, key)
	if err != nil {
		return
	}
	for old := range d.known {
		if len(d.known) < maxDocuments {
			break
		}
		delete(d.known, old)
	}
	d.known[key] = document{client: c, until: until}
}
