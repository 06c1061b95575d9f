package mail

import "time"

// VerifyAddress goes to an address that somebody gave as theirs. Code or link
// may be "".
func (h Letterhead) VerifyAddress(to Person, code, link string, life time.Duration) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, life)
	l.Subject = w.T("Confirm your address for {0}", w.brand)
	l.Lines = []string{
		w.T("Someone, probably you, gave this address for an account at {0} ({1}).", w.brand, w.host),
		w.T("Confirm that the address is yours to go on."),
	}
	l.Next, l.Code, l.Action = w.use(code, link), code, action(w.T("Confirm this address"), link)
	l.Foot = []string{
		w.works(code, link, l.Life),
		w.T("If this wasn't you, there is nothing to do: the address stays unconfirmed."),
	}
	return l
}

// AddressTaken goes out instead of VerifyAddress when the address has an
// account already: the page says the same in both cases, and so tells nobody
// who has an account.
func (h Letterhead) AddressTaken(to Person, signIn string) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, 0)
	l.Subject = w.T("You already have an account at {0}", w.brand)
	l.Lines = []string{
		w.T("Someone, probably you, tried to make an account at {0} ({1}) with this address.", w.brand, w.host),
		w.T("The address has an account already, so no other was made, and nothing was changed."),
	}
	l.Next = w.T("Sign in with the account you have. If you no longer know your password, you can reset it there.")
	l.Action = action(w.T("Sign in"), signIn)
	l.Foot = []string{w.T("If this wasn't you, there is nothing to do.")}
	return l
}

// AddressTakenOff goes to an address that "This wasn't me" has taken off an
// account. It doesn't say whose account: its reader may be somebody else.
func (h Letterhead) AddressTakenOff(to Person) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, noticeLife)
	l.Subject = w.T("This address was taken off an account at {0}", w.brand)
	l.Lines = []string{
		w.T("This was the address of an account at {0} ({1}), until “This wasn't me” was chosen in a letter to the address before it.", w.brand, w.host),
		w.T("That account is locked, and its letters no longer come here."),
	}
	l.Next = w.T("If the account is yours, ask an administrator of {0}. Otherwise there is nothing to do.", w.brand)
	return l
}

// ResetPassword carries the link to the page where a new password is chosen.
func (h Letterhead) ResetPassword(to Person, link string, life time.Duration) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, life)
	l.Subject = w.T("Reset your password for {0}", w.brand)
	l.Lines = []string{w.T("Someone, probably you, asked to reset the password of your account at {0} ({1}).", w.brand, w.host)}
	l.Next = w.T("Open this link to choose a new password:")
	l.Action = action(w.T("Choose a new password"), link)
	l.Foot = []string{
		w.works("", link, l.Life),
		w.T("If this wasn't you, there is nothing to do: your password stays as it is."),
	}
	return l
}

// SignInCode lets somebody in who reads this address. App is the app that asked,
// "" for none; code or link may be "".
func (h Letterhead) SignInCode(to Person, code, link, app string, life time.Duration) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, life)
	l.Subject = w.T("Sign in to {0}", w.brand)
	l.Lines = []string{w.T("Someone, probably you, asked to sign in to your account at {0} ({1}).", w.brand, w.host)}
	if app = appName(app); app != "" {
		l.Lines = append(l.Lines, w.T("You will go on to {0}.", app))
	}
	l.Next, l.Code, l.Action = w.use(code, link), code, action(w.T("Sign in"), link)
	l.Foot = []string{
		w.works(code, link, l.Life),
		w.T("Give it to nobody, not even to someone who says they work for {0}.", w.brand),
		w.T("If this wasn't you, there is nothing to do: nobody was signed in."),
	}
	return l
}

// Invitation asks somebody in. Inviter is a person's name, "" for none.
func (h Letterhead) Invitation(to Person, link, inviter string, life time.Duration) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, life)
	l.Subject = w.T("You are invited to {0}", w.brand)
	l.Lines = []string{w.T("You are invited to make an account at {0} ({1}).", w.brand, w.host)}
	if inviter = personName(inviter); inviter != "" {
		l.Lines = []string{w.T("{0} invites you to make an account at {1} ({2}).", inviter, w.brand, w.host)}
	}
	l.Next = w.T("Open this link to accept:")
	l.Action = action(w.T("Accept the invitation"), link)
	l.Foot = []string{
		w.works("", link, l.Life),
		w.T("If you don't want an account, there is nothing to do: none has been made."),
	}
	return l
}

// OperatorLink carries a one-time link that an administrator made.
func (h Letterhead) OperatorLink(to Person, link string, life time.Duration) Letter {
	w := h.in(to.Locale)
	l := w.letter(to, life)
	l.Subject = w.T("Your link to {0}", w.brand)
	l.Lines = []string{w.T("An administrator of {0} ({1}) made a one-time link to your account for you.", w.brand, w.host)}
	l.Next = w.T("Open this link to get into your account:")
	l.Action = action(w.T("Open my account"), link)
	l.Foot = []string{
		w.works("", link, l.Life),
		w.T("Give it to nobody: whoever opens it gets into your account."),
		w.T("If you weren't expecting it, don't open it, and ask an administrator."),
	}
	return l
}

func action(label, link string) *Action {
	if link == "" {
		return nil
	}
	return &Action{Label: label, URL: link}
}
