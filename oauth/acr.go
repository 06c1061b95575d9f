package oauth

import "slices"

// The authentication context classes: CONTRACT §4, decision 8.
const (
	acrOneFactor  = "1"
	acrTwoFactors = "2"
)

// TwoFactors is the acr of a session that two factors made.
const TwoFactors = acrTwoFactors

// wantsTwo says whether a request can be answered by nothing less than two
// factors: by the app's own setting, by acr_values, or by an essential acr claim
// (OpenID Connect Core §3.1.2.1, §5.5.1.1). What names a class that is reached by
// less, or none of ours, wants nothing.
func (in *Interaction) wantsTwo(c *Client) bool {
	if c.Factors >= 2 {
		return true
	}
	wanted := in.Request.ACRValues
	if contains(wanted, acrTwoFactors) && !contains(wanted, acrOneFactor) {
		return true
	}
	if in.Request.Claims == nil {
		return false
	}
	acr := in.Request.Claims.IDToken["acr"]
	return acr != nil && acr.Essential && acr.allows(acrTwoFactors) && !acr.allows(acrOneFactor)
}

// Demands is the acr that a sign-in for this interaction must reach, "" for any.
func (s *Server) Demands(c *Client, in *Interaction) string {
	if in.wantsTwo(c) {
		return acrTwoFactors
	}
	return ""
}

// reachable: OpenID Connect Core §5.5.1.1, an essential acr that can't be had
// is a failed authentication; a voluntary one is only a wish.
func (s *Server) reachable(acr *ClaimRequest) bool {
	return acr == nil || !acr.Essential || slices.ContainsFunc(s.ACRs, func(v string) bool { return acr.allows(v) })
}
