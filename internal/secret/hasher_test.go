package secret

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valetkey/valetkey/internal/testkit"
)

func TestHashAndVerify(t *testing.T) {
	h := NewHasher(0, 0, 0)
	phc, err := h.Hash(t.Context(), "::1", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=19456,t=2,p=1$") || Outdated(phc) || Known(phc) != nil {
		t.Errorf("hash %q", phc)
	}
	if again, _ := h.Hash(t.Context(), "::1", "correct horse"); again == phc {
		t.Error("two hashes with one salt")
	}
	for password, want := range map[string]bool{"correct horse": true, "correct hors": false, "": false, "correct horse\x00": false} {
		if ok, err := h.Verify(t.Context(), "::1", password, phc); ok != want || err != nil {
			t.Errorf("%q: %v, %v", password, ok, err)
		}
	}
}

// Vectors made by others: argon2's own command, crypt_blowfish, passlib and
// Python's hashlib.
func TestVerifyOthersHashes(t *testing.T) {
	h := NewHasher(0, 0, 0)
	tests := []struct{ name, password, phc string }{
		{"argon2id, other cost", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
		{"bcrypt", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
		{"pbkdf2-sha256, passlib", "password", "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdeQ$Sp20x5wpuCixpuQuZe13JQeklhyyGBTT3BBxGW3Dojo"},
		{"pbkdf2-sha512, PHC", "password", "$pbkdf2-sha512$i=1000,l=64$0ZrzXitFSGltTQnBWOsdeQ$uPqYQ3MMp7O/exWVQzNn4zBwTgym/G0k3RHtA7L/dy1GwSvudTAtC41ry8Gj3IaoOIM2.0P3sN4f4wU.3viH5g"},
		{"scrypt, passlib", "password", "$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for password, want := range map[string]bool{tt.password: true, tt.password + "x": false, "": false} {
				if ok, err := h.Verify(t.Context(), "", password, tt.phc); ok != want || err != nil {
					t.Errorf("%q: %v, %v", password, ok, err)
				}
			}
			if !Outdated(tt.phc) {
				t.Error("not to be made again")
			}
		})
	}
}

func TestVerifyRefusesFormats(t *testing.T) {
	const salt, tag = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	argon2id := func(version, cost, salt, tag string) string {
		return strings.Join([]string{"", "argon2id", version, cost, salt, tag}, "$")
	}
	tests := map[string]string{
		"empty":             "",
		"plain text":        "hunter2",
		"argon2d":           "$argon2d$v=19$m=65536,t=2,p=1$" + salt + "$" + tag,
		"no version":        "$argon2id$m=65536,t=2,p=1$" + salt + "$" + tag,
		"version 16":        argon2id("v=16", "m=65536,t=2,p=1", salt, tag),
		"257 MiB":           argon2id("v=19", "m=263168,t=2,p=1", salt, tag),
		"4 TiB":             argon2id("v=19", "m=4294967295,t=2,p=1", salt, tag),
		"overflow":          argon2id("v=19", "m=42949672960,t=2,p=1", salt, tag),
		"11 passes":         argon2id("v=19", "m=65536,t=11,p=1", salt, tag),
		"9 lanes":           argon2id("v=19", "m=65536,t=2,p=9", salt, tag),
		"no passes":         argon2id("v=19", "m=65536,t=0,p=1", salt, tag),
		"negative":          argon2id("v=19", "m=-1,t=2,p=1", salt, tag),
		"less than a lane":  argon2id("v=19", "m=8,t=2,p=2", salt, tag),
		"order":             argon2id("v=19", "t=2,m=65536,p=1", salt, tag),
		"short salt":        argon2id("v=19", "m=65536,t=2,p=1", "c29t", tag),
		"short tag":         argon2id("v=19", "m=65536,t=2,p=1", salt, "c29t"),
		"padded":            argon2id("v=19", "m=65536,t=2,p=1", salt+"=", tag),
		"trailing bits":     argon2id("v=19", "m=65536,t=2,p=1", "c29tZXNhbHR", tag),
		"newline":           argon2id("v=19", "m=65536,t=2,p=1", salt, tag+"\n"),
		"more parts":        argon2id("v=19", "m=65536,t=2,p=1", salt, tag) + "$",
		"bcrypt, cost 31":   "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"bcrypt, cut":       "$2a$05$CCCCCCCCCCCC",
		"pbkdf2, forever":   "$pbkdf2-sha256$99999999$0ZrzXitFSGltTQnBWOsdeQ$Sp20x5wpuCixpuQuZe13JQeklhyyGBTT3BBxGW3Dojo",
		"pbkdf2, no number": "$pbkdf2-sha256$x$0ZrzXitFSGltTQnBWOsdeQ$Sp20x5wpuCixpuQuZe13JQeklhyyGBTT3BBxGW3Dojo",
		"scrypt, 4 GiB":     "$scrypt$ln=22,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ",
		"scrypt, wide":      "$scrypt$ln=10,r=999999,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ",
	}
	h := NewHasher(1, 0, 0)
	for name, phc := range tests {
		ok, err := h.Verify(t.Context(), "", "password", phc)
		if ok || err == nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		} else if strings.Contains(err.Error(), tag) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error repeats the hash: %v", name, err)
		}
	}
}

// Case 241: 200 sign-ins at once on two cores. Two hash, some wait, the rest
// hears ErrBusy at once; the heap stays far below the 3.9 GB of before.
func Test241TwoHundredSignInsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes 34 passwords")
	}
	h := NewHasher(2, 32, time.Minute)
	phc, err := h.Hash(t.Context(), "", "password")
	if err != nil {
		t.Fatal(err)
	}
	debug.FreeOSMemory()
	stop, peak := watchMemory()
	var done, busy atomic.Int64
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			start := time.Now()
			switch ok, err := h.Verify(t.Context(), "203.0.113.9", "password", phc); {
			case errors.Is(err, ErrBusy):
				busy.Add(1)
				if time.Since(start) > time.Second {
					t.Errorf("busy after %v", time.Since(start))
				}
			case err != nil || !ok:
				t.Error(ok, err)
			default:
				done.Add(1)
			}
		})
	}
	wg.Wait()
	close(stop)
	if grown := <-peak >> 20; grown > 200 {
		t.Errorf("memory grew by %d MiB", grown)
	} else {
		t.Logf("memory grew by %d MiB, %d verified, %d refused", grown, done.Load(), busy.Load())
	}
	if done.Load() < 34 || done.Load()+busy.Load() != 200 {
		t.Errorf("%d verified, %d refused", done.Load(), busy.Load())
	}
}

// watchMemory tells by how much the memory that is in use by the process grew
// at most until stop is closed.
func watchMemory() (stop chan struct{}, peak chan uint64) {
	stop, peak = make(chan struct{}), make(chan uint64, 1)
	use := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.Sys - m.HeapReleased
	}
	base := use()
	go func() {
		most := base
		for {
			select {
			case <-stop:
				peak <- most - base
				return
			case <-time.After(5 * time.Millisecond):
				most = max(most, use())
			}
		}
	}()
	return stop, peak
}

// Case 230: no such user takes as long as a wrong password.
func Test230VerifyNothingTakesAsLong(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	h := NewHasher(1, 0, 0)
	phc, _ := h.Hash(t.Context(), "", "password")
	known, unknown := leastCPU(t, func() { _, _ = h.Verify(t.Context(), "", "wrong", phc) }, func() { _ = h.VerifyNothing(t.Context(), "", "wrong") })
	if gap := (known - unknown).Abs(); gap > known/5 {
		t.Errorf("CPU: known %v, unknown %v", known, unknown)
	}
}

// leastCPU is what two functions cost at least, tried in turns so that a busy
// moment meets both.
func leastCPU(t *testing.T, f, g func()) (of, og time.Duration) {
	t.Helper()
	of, og = time.Hour, time.Hour
	for range 12 {
		start := testkit.CPU(t)
		f()
		middle := testkit.CPU(t)
		g()
		of, og = min(of, middle-start), min(og, testkit.CPU(t)-middle)
	}
	return of, og
}

func TestHasherRespectsContext(t *testing.T) {
	h := NewHasher(1, 1, time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ctx, "", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash: %v", err)
	}
	if err := h.VerifyNothing(ctx, "", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("VerifyNothing: %v", err)
	}
}

func TestCacheVerifiesOnce(t *testing.T) {
	h := NewHasher(1, 1, time.Minute)
	phc, _ := h.Hash(t.Context(), "", "chosen")
	c := NewCache(h, 8)
	var wg sync.WaitGroup
	for range 20 { // one slot and one place to wait: only one may come to the gate
		wg.Go(func() {
			if ok, err := c.Verify(t.Context(), "a", "chosen", phc); !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	wg.Wait()
	start := time.Now()
	for range 1000 {
		if ok, _ := c.Verify(t.Context(), "a", "chosen", phc); !ok {
			t.Fatal("forgotten")
		}
	}
	if spent := time.Since(start); spent > 500*time.Millisecond {
		t.Errorf("1,000 remembered checks took %v", spent)
	}
	if ok, err := c.Verify(t.Context(), "a", "guessed", phc); ok || err != nil {
		t.Errorf("a wrong one: %v, %v", ok, err)
	}
	other, _ := h.Hash(t.Context(), "", "replaced")
	if ok, err := c.Verify(t.Context(), "a", "chosen", other); ok || err != nil {
		t.Errorf("after a change: %v, %v", ok, err)
	}
	if _, err := c.Verify(t.Context(), "a", "chosen", "nonsense"); err == nil {
		t.Error("no error for nonsense")
	}
	if len(c.known) != 1 || len(c.busy) != 0 {
		t.Errorf("%d known, %d busy", len(c.known), len(c.busy))
	}
}

func TestCacheIsBounded(t *testing.T) {
	h := NewHasher(0, 0, 0)
	c := NewCache(h, 2)
	for _, password := range []string{"a", "b", "c"} {
		// As cheap as the bounds allow: what is tested is the map.
		a := argon{memory: 8, time: 1, threads: 1, salt: []byte("somesalt"), tag: make([]byte, 16)}
		a.tag = a.derive(password)
		if ok, err := c.Verify(t.Context(), "", password, a.String()); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if len(c.known) != 2 {
		t.Errorf("%d known", len(c.known))
	}
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW")
	f.Add("$pbkdf2-sha256$i=29000,l=32$0ZrzXitFSGltTQnBWOsdeQ$Sp20x5wpuCixpuQuZe13JQeklhyyGBTT3BBxGW3Dojo")
	f.Add("$scrypt$ln=8,r=8,p=1$WKs1xljLudd6z9kbY0wpJQ$yCR4iDZYDKv+iEJj6yHY0lv/epnfB6f/w1EbXrsJOuQ")
	f.Fuzz(func(t *testing.T, phc string) {
		a, err := parseArgon(phc)
		if err == nil {
			if again, err := parseArgon(a.String()); err != nil || again.String() != a.String() {
				t.Errorf("%q reads as %q, which reads as %q, %v", phc, a, again, err)
			}
		}
		_ = Known(phc)
		_ = Outdated(phc)
	})
}

func BenchmarkVerify(b *testing.B) {
	h := NewHasher(0, 0, 0)
	phc, _ := h.Hash(b.Context(), "", "password")
	for b.Loop() {
		_, _ = h.Verify(b.Context(), "", "password", phc)
	}
}

func BenchmarkCacheVerify(b *testing.B) {
	h := NewHasher(0, 0, 0)
	phc, _ := h.Hash(b.Context(), "", "password")
	c := NewCache(h, 8)
	for b.Loop() {
		_, _ = c.Verify(b.Context(), "", "password", phc)
	}
}

func BenchmarkMatches(b *testing.B) {
	s := New().Reveal()
	hash := Hash(s)
	for b.Loop() {
		Matches(s, hash)
	}
}
