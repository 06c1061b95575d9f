package mail

import (
	"strconv"
	"time"

	"github.com/valetkey/valetkey/internal/locale"
)

// NoticeKind is something that happened to an account.
type NoticeKind string

// What people are told about.
const (
	PasswordChanged      NoticeKind = "password-changed"
	PasswordSet          NoticeKind = "password-set" // where there was none
	PasswordRemoved      NoticeKind = "password-removed"
	PasswordReset        NoticeKind = "password-reset"
	PasskeyAdded         NoticeKind = "passkey-added"         // What: its name
	PasskeyRemoved       NoticeKind = "passkey-removed"       // What: its name
	AuthenticatorAdded   NoticeKind = "authenticator-added"   // What: its name
	AuthenticatorRemoved NoticeKind = "authenticator-removed" // What: its name
	TwoStepOn            NoticeKind = "two-step-on"
	TwoStepOff           NoticeKind = "two-step-off"
	RecoveryCodesMade    NoticeKind = "recovery-codes-made"
	RecoveryCodeUsed     NoticeKind = "recovery-code-used" // Left
	AccountLinked        NoticeKind = "account-linked"     // What: the provider's name
	AccountUnlinked      NoticeKind = "account-unlinked"   // What: the provider's name
	EmailChanged         NoticeKind = "email-changed"      // goes to the old address
	NewDevice            NoticeKind = "new-device"
	AccountLocked        NoticeKind = "account-locked" // by "This wasn't me"
	AccountDeleted       NoticeKind = "account-deleted"
	DataDownloaded       NoticeKind = "data-downloaded"
	AccountDisabled      NoticeKind = "account-disabled" // by an administrator
)

// NoticeKinds lists them all, as they stand above.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{
		PasswordChanged, PasswordSet, PasswordRemoved, PasswordReset, PasskeyAdded, PasskeyRemoved, AuthenticatorAdded, AuthenticatorRemoved,
		TwoStepOn, TwoStepOff, RecoveryCodesMade, RecoveryCodeUsed, AccountLinked, AccountUnlinked, EmailChanged, NewDevice, AccountLocked,
		AccountDeleted, DataDownloaded, AccountDisabled,
	}
}

// Happening says when something happened, from where, and to what.
type Happening struct {
	At      time.Time
	Device  string // in words; "" if nobody's device did it
	Address string // network address; may be ""
	What    string // name of a passkey, an authenticator app or a provider
	Left    int    // recovery codes
	Link    string // "This wasn't me"; may be ""
}

// noticeLife is long: what happened stays worth knowing while a mail server is
// repaired.
const noticeLife = 3 * day

// noticeWords: in all of them {0} is the brand; {1} in named is Happening.What.
type noticeWords struct {
	subject string
	happens string
	named   string   // instead of happens, where What is known
	means   []string // what else follows from it
	next    string   // instead of what to do if it wasn't you
	label   string   // what the link is called then; "": there is none
}

var notices = map[NoticeKind]noticeWords{
	PasswordChanged: {
		subject: locale.Key("Your password for {0} was changed"),
		happens: locale.Key("The password of your account at {0} was changed. Other devices were signed out."),
	},
	PasswordSet: {
		subject: locale.Key("A password for {0} was set"),
		happens: locale.Key("Your account at {0} had no password, and now it has one. Other devices were signed out."),
	},
	PasswordRemoved: {
		subject: locale.Key("Your password for {0} was removed"),
		happens: locale.Key("The password of your account at {0} was removed. Other devices were signed out."),
	},
	PasswordReset: {
		subject: locale.Key("Your password for {0} was reset"),
		happens: locale.Key("The password of your account at {0} was reset with a one-time link. Every device was signed out."),
	},
	PasskeyAdded: {
		subject: locale.Key("A passkey was added to your account at {0}"),
		happens: locale.Key("A passkey was added to your account at {0}. Whoever has it can sign in."),
		named:   locale.Key("The passkey “{1}” was added to your account at {0}. Whoever has it can sign in."),
	},
	PasskeyRemoved: {
		subject: locale.Key("A passkey was removed from your account at {0}"),
		happens: locale.Key("A passkey was removed from your account at {0}. It no longer signs in."),
		named:   locale.Key("The passkey “{1}” was removed from your account at {0}. It no longer signs in."),
	},
	AuthenticatorAdded: {
		subject: locale.Key("An authenticator app was added to your account at {0}"),
		happens: locale.Key("An authenticator app was added to your account at {0}. Its codes confirm that it is you."),
		named:   locale.Key("The authenticator app “{1}” was added to your account at {0}. Its codes confirm that it is you."),
	},
	AuthenticatorRemoved: {
		subject: locale.Key("An authenticator app was removed from your account at {0}"),
		happens: locale.Key("An authenticator app was removed from your account at {0}. Its codes no longer work."),
		named:   locale.Key("The authenticator app “{1}” was removed from your account at {0}. Its codes no longer work."),
	},
	TwoStepOn: {
		subject: locale.Key("The second step was switched on for your account at {0}"),
		happens: locale.Key("A second step is asked for at each sign-in to your account at {0} from now on."),
	},
	TwoStepOff: {
		subject: locale.Key("The second step was switched off for your account at {0}"),
		happens: locale.Key("The second step of sign-ins to your account at {0} was switched off. A password alone is enough now."),
	},
	RecoveryCodesMade: {
		subject: locale.Key("New recovery codes for {0}"),
		happens: locale.Key("New recovery codes were made for your account at {0}. The old ones no longer work."),
	},
	RecoveryCodeUsed: {
		subject: locale.Key("A recovery code for {0} was used"),
		happens: locale.Key("A recovery code was used to sign in to your account at {0}. It no longer works."),
	},
	AccountLinked: {
		subject: locale.Key("Another way to sign in to {0} was added"),
		happens: locale.Key("An account at another provider was linked to your account at {0}. Whoever has it can sign in."),
		named:   locale.Key("An account at {1} was linked to your account at {0}. Whoever has it can sign in."),
	},
	AccountUnlinked: {
		subject: locale.Key("A way to sign in to {0} was removed"),
		happens: locale.Key("An account at another provider was unlinked from your account at {0}. It no longer signs in."),
		named:   locale.Key("An account at {1} was unlinked from your account at {0}. It no longer signs in."),
	},
	EmailChanged: {
		subject: locale.Key("Your email address for {0} was changed"),
		happens: locale.Key("The email address of your account at {0} was changed. This is the last letter to the old one."),
	},
	NewDevice: {
		subject: locale.Key("New sign-in to your account at {0}"),
		happens: locale.Key("Someone, probably you, signed in to your account at {0} from a device that it hasn't seen before."),
	},
	AccountLocked: {
		subject: locale.Key("Your account at {0} is locked"),
		happens: locale.Key("Your account at {0} was locked because of “This wasn't me” in one of our letters."),
		means:   []string{locale.Key("Every device was signed out and every app lost its access. Nobody can sign in for now.")},
		next:    locale.Key("To unlock it, reset your password. If you can't, ask an administrator of {0}."),
		label:   locale.Key("Reset your password"),
	},
	AccountDeleted: {
		subject: locale.Key("Your account at {0} was deleted"),
		happens: locale.Key("Your account at {0} was deleted. Every device was signed out and every app lost its access."),
		next:    locale.Key("If you did this, there is nothing to do. If it wasn't you, tell an administrator of {0} soon."),
	},
	DataDownloaded: {
		subject: locale.Key("Your data at {0} was downloaded"),
		happens: locale.Key("A copy of the data that {0} keeps about you was downloaded from your account."),
	},
	AccountDisabled: {
		subject: locale.Key("Your account at {0} was disabled"),
		happens: locale.Key("An administrator disabled your account at {0}. Every device was signed out and every app lost its access."),
		next:    locale.Key("If you think that this is a mistake, ask an administrator of {0}."),
	},
}

// Notice tells somebody what happened to their account and what to do if it
// wasn't them.
func (h Letterhead) Notice(to Person, kind NoticeKind, e Happening) Letter {
	w, said := h.in(to.Locale), notices[kind]
	l := w.letter(to, noticeLife)
	l.Subject = w.T(said.subject, w.brand)
	l.Lines = []string{w.T(said.happens, w.brand)}
	if what := appName(e.What); what != "" && said.named != "" {
		l.Lines = []string{w.T(said.named, w.brand, what)}
	}
	for _, line := range said.means {
		l.Lines = append(l.Lines, w.T(line))
	}
	l.Facts = w.facts(kind, e)
	l.Next = w.next(said.next, e.Link)
	switch {
	case said.next == "":
		l.Action = action(w.T("This wasn't me"), e.Link)
	case said.label != "":
		l.Action = action(w.T(said.label), e.Link)
	}
	return l
}

func (w words) facts(kind NoticeKind, e Happening) []Fact {
	facts := []Fact{{w.T("When"), when(e.At)}}
	if device := oneLine(e.Device, maxDevice); device != "" {
		facts = append(facts, Fact{w.T("Device"), device})
	}
	if address := oneLine(e.Address, maxDevice); address != "" {
		facts = append(facts, Fact{w.T("Network address"), address})
	}
	if kind == RecoveryCodeUsed {
		facts = append(facts, Fact{w.T("Recovery codes left"), strconv.Itoa(e.Left)})
	}
	return facts
}

// next says what to do; own words come before those that most notices share.
func (w words) next(own, link string) string {
	switch {
	case own != "":
		return w.T(own, w.brand)
	case link != "":
		return w.T("If you did this, there is nothing to do. If it wasn't you, open this link to lock your account and take it back:")
	}
	return w.T("If you did this, there is nothing to do. If it wasn't you, reset your password at {0} and look through your account. "+
		"If you can't sign in, tell an administrator of {1}.", w.host, w.brand)
}
