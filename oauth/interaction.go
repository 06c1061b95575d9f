package oauth

import "time"

// Interaction is an authorization request that waits for its user. It travels
// sealed in the page's URL, never changes and holds no facts: that somebody
// signed in is the session, that somebody agreed comes with the POST.
type Interaction struct {
	Request AuthorizationRequest `json:"q"`
	Began   int64                `json:"b"` // Unix seconds
	Login   LoginMark            `json:"l"` // the browser's login as it was

	Pushed string `json:"p,omitempty"` // the handle of a pushed request, which the store keeps
	Device string `json:"d,omitempty"` // the user code of a device that waits
}

// LoginMark names a login, so that a later one can be told from it without
// asking a clock.
type LoginMark struct {
	SessionID string `json:"s,omitempty"`
	Count     int64  `json:"c,omitempty"`
}

// newer says whether session is a login made after the mark.
func (m LoginMark) newer(s Session) bool {
	return s.ID != "" && (s.ID != m.SessionID || s.Logins > m.Count)
}

// Session is the browser's login, as far as the rules look at it. Whoever
// brings one has just read it and seen that its user's epoch holds.
type Session struct {
	ID        string // sid
	Subject   string
	UserEpoch int64
	Logins    int64 // raised by each sign-in in this session
	AuthTime  time.Time
	ACR       string
	AMR       []string
	Way       string   // the authenticator that began it
	Demand    string   // the acr that the operator asks of this person, "" for none
	Groups    []string // that the person is in, as far as they decide anything
}

// Standing is who is at the browser and what they just did.
type Standing struct {
	Session  Session  // zero when nobody is signed in
	Selected bool     // the person saw who is signed in and went on as that
	Agreed   []string // scopes allowed by this very POST; nil when it is no consent

	consent Consent
	barred  []string // scopes that are for groups the person isn't in
	now     time.Time
	sub     string // the person as this client knows them; "" until complete filled it in
}

// subject is whom an ID token for this client names.
func (st Standing) subject() string {
	if st.sub != "" {
		return st.sub
	}
	return st.Session.Subject
}

// Reply is what to do with the browser next.
type Reply interface{ isReply() }

// Ask shows a page to the person: the step's name says which.
type Ask struct {
	Step        string // select_account, login, second_factor, consent, or an embedder's
	Interaction *Interaction
	Client      *Client
}

// Response goes back to the client by redirect or form_post.
type Response struct {
	RedirectURI string
	Mode        string      // query or form_post
	Params      [][2]string // in order: code or error, state, iss
	Client      *Client
}

// DeviceDone ends a device's interaction: there is nowhere to go back to.
type DeviceDone struct {
	Client   *Client
	Approved bool
}

func (*Ask) isReply()        {}
func (*Response) isReply()   {}
func (*DeviceDone) isReply() {}
