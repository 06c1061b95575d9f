package oauth

import "context"

// postedBinding stands where a browser's cookie would: a cross-site POST
// brings no SameSite=Lax cookie, so the browser isn't known yet. What is
// sealed under it is no more than a request that anybody could send.
var postedBinding = []byte("\x00posted")

// AuthorizePosted judges an authorization request that came by POST (OpenID
// Connect Core §3.1.2.1) and seals it for a GET, where the session can be seen.
// A refusal is a Reply instead.
func (s *Server) AuthorizePosted(ctx context.Context, req Request) (envelope string, refusal Reply, err error) {
	defer func() { _, _ = s.ended(nil, err) }()
	client, err := s.requestingClient(ctx, req)
	if err != nil {
		return "", nil, err
	}
	in, refused, err := s.interactionOf(ctx, client, req, Standing{})
	if err != nil {
		return "", nil, err
	}
	if refused != nil {
		refusal, err = s.refuse(ctx, client, in, refused)
		return "", refusal, err
	}
	content, err := in.content()
	if err != nil {
		return "", nil, err
	}
	if envelope = s.boxes.interaction.Seal(content, postedBinding); len(envelope) > maxInteraction {
		return "", nil, invalidRequest("the request is too large for a URL")
	}
	return envelope, nil, nil
}

// AuthorizeSealed goes on with what AuthorizePosted sealed, from the moment
// at which it is opened.
func (s *Server) AuthorizeSealed(ctx context.Context, envelope string, standing Standing) (Reply, error) {
	return s.ended(s.authorizeSealed(ctx, envelope, standing))
}

func (s *Server) authorizeSealed(ctx context.Context, envelope string, standing Standing) (Reply, error) {
	content, err := s.boxes.interaction.Open(envelope, postedBinding)
	if err != nil {
		return nil, invalidRequest("the address of this page is incomplete").about("i").because(err)
	}
	in, err := s.readInteraction(ctx, content)
	if err != nil {
		return nil, err
	}
	if s.tooOld(in) {
		return nil, invalidRequest("this page has been open for too long").because(ErrEnded)
	}
	in.Login = markOf(standing.Session)
	return s.resume(ctx, in, standing)
}
