package mail

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

// ParseSMTPURL reads where mail goes:
//
//	smtp://user@mail.example.com:587     STARTTLS, which is insisted on
//	smtps://user@mail.example.com:465    TLS from the first byte
//	smtp://localhost:1025?tls=none       without, to this machine only
//
// The user is percent-encoded. A password may stand there but is better set
// from elsewhere; errors never repeat the URL, as it may hold one. NewSMTP
// judges what is read.
func ParseSMTPURL(raw string) (SMTPConfig, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "":
		return SMTPConfig{}, errors.New("smtp: not a URL such as smtp://user@mail.example.com:587")
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return SMTPConfig{}, errors.New("smtp: the URL begins with smtp:// or smtps://")
	case u.Hostname() == "":
		return SMTPConfig{}, errors.New("smtp: the URL has no host")
	case u.Path != "" && u.Path != "/" || u.Fragment != "":
		return SMTPConfig{}, errors.New("smtp: nothing follows host and port but ?tls=")
	}
	c := SMTPConfig{Host: u.Hostname(), Username: u.User.Username()}
	c.Password, _ = u.User.Password()
	if c.Port, err = port(u); err != nil {
		return SMTPConfig{}, err
	}
	c.Security, err = security(u)
	return c, err
}

// port is 0 where none is named.
func port(u *url.URL) (int, error) {
	if u.Port() == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil || n < 1 || n > 65535 {
		return 0, errors.New("smtp: a port is a number from 1 to 65535")
	}
	return n, nil
}

func security(u *url.URL) (Security, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(query["tls"]) > 1 || len(query) > 1 || len(query) == 1 && query["tls"] == nil {
		return "", errors.New("smtp: the only parameter is tls, once")
	}
	named := Security(query.Get("tls"))
	switch {
	case u.Scheme == "smtps" && (named == "" || named == TLS):
		return TLS, nil
	case u.Scheme == "smtps":
		return "", fmt.Errorf("smtp: smtps:// is TLS from the first byte; with tls=%s it begins with smtp://", StartTLS)
	case named == "":
		return StartTLS, nil
	case named == StartTLS || named == TLS || named == None:
		return named, nil
	}
	return "", fmt.Errorf("smtp: tls is %s, %s or %s", StartTLS, TLS, None)
}
