package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/valetkey/valetkey/internal/metrics"
	"github.com/valetkey/valetkey/test/harness"
)

const deploy = "../deploy/"

func content(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// documents are those of a YAML file; one that can't be read ends the test.
func documents(t *testing.T, file string) (all []map[string]any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(content(t, file)))
	for {
		var one map[string]any
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, one)
	}
}

// at follows a path of keys and numbers into a document.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			if list, _ := v.([]any); step < len(list) {
				v = list[step]
			} else {
				v = nil
			}
		}
		if v == nil {
			t.Fatalf("nothing at %v", path[:i+1])
		}
	}
	return v
}

var (
	metricName = regexp.MustCompile(`\bvaletkey_[a-z_]+\b`)
	flagName   = regexp.MustCompile(`(?:^|[\s"'\[=,])--([a-z][a-z-]+)`)
	envName    = regexp.MustCompile(`\bVALETKEY_[A-Z_]+\b`)
)

// watched are the names of all our metrics, and those that histograms add.
func watched() map[string]bool {
	m := metrics.New()
	m.Watch(metrics.Config{})
	known := map[string]bool{}
	for _, name := range m.Names() {
		for _, more := range []string{"", "_bucket", "_sum", "_count"} {
			known[name+more] = true
		}
	}
	return known
}

// TestDeployMetrics: the alerts, the dashboard and the guide speak of metrics that
// there are, and the dashboard leaves none out; the guide lists each once.
func TestDeployMetrics(t *testing.T) {
	known := watched()
	dashboard, guide := content(t, deploy+"grafana/valetkey.json"), content(t, "../docs/guide/operations.md")
	for file, text := range map[string]string{"alerts": content(t, deploy+"prometheus/alerts.yaml"), "dashboard": dashboard, "guide": guide} {
		for _, name := range metricName.FindAllString(text, -1) {
			if !known[name] {
				t.Errorf("%s: there is no %s", file, name)
			}
		}
	}
	m := metrics.New()
	m.Watch(metrics.Config{})
	for _, name := range m.Names() {
		if !regexp.MustCompile(`\b` + name + `(_bucket|_sum|_count)?\b`).MatchString(dashboard) {
			t.Errorf("the dashboard leaves %s out", name)
		}
		if n := strings.Count(guide, "\n| `"+name+"` |"); n != 1 {
			t.Errorf("the guide's table lists %s %d times", name, n)
		}
	}
	var parsed struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(dashboard), &parsed); err != nil || len(parsed.Panels) < 20 {
		t.Fatalf("%v, %d panels", err, len(parsed.Panels))
	}
	for _, p := range parsed.Panels {
		for _, target := range p.Targets {
			balanced(t, p.Title, target.Expr)
		}
	}
}

// TestDeployAlerts: each rule has what Prometheus wants, and words for who is
// called; the guide says what to do of each.
func TestDeployAlerts(t *testing.T) {
	guide := content(t, "../docs/guide/operations.md")
	seen := map[string]bool{}
	for _, group := range at(t, documents(t, deploy+"prometheus/alerts.yaml")[0], "groups").([]any) {
		for _, rule := range at(t, group, "rules").([]any) {
			name := at(t, rule, "alert").(string)
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
			balanced(t, name, at(t, rule, "expr").(string))
			if at(t, rule, "annotations", "summary") == "" || !slices.Contains([]any{"critical", "warning", "info"}, at(t, rule, "labels", "severity")) {
				t.Errorf("%s: %v", name, rule)
			}
			if !strings.Contains(guide, "`"+name+"`") {
				t.Errorf("the guide doesn't say what to do of %s", name)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d rules", len(seen))
	}
}

// balanced is as much as can be said of an expression without Prometheus.
func balanced(t *testing.T, where, expr string) {
	t.Helper()
	for _, pair := range []string{"()", "{}", "[]"} {
		if expr == "" || strings.Count(expr, pair[:1]) != strings.Count(expr, pair[1:]) {
			t.Errorf("%s: %q", where, expr)
		}
	}
}

// TestDeploySettings: each flag and variable that is named is one that `serve`
// knows, and each configuration file is taken.
func TestDeploySettings(t *testing.T) {
	p := newProcess(t)
	_, help, _ := p.try(t, "", "serve", "--help")
	files := []string{
		deploy + "systemd/valetkey.service", deploy + "systemd/valetkey.yaml", deploy + "Dockerfile", deploy + "README.md",
		"../docs/guide/operations.md",
	}
	manifests, err := filepath.Glob(deploy + "kubernetes/*.yaml")
	if err != nil || len(manifests) < 8 {
		t.Fatalf("%v %v", manifests, err)
	}
	for _, file := range append(files, manifests...) {
		for _, name := range envName.FindAllString(content(t, file), -1) {
			if name != "VALETKEY_" && !strings.Contains(help, "$"+name+")") {
				t.Errorf("%s: serve knows no %s", file, name)
			}
		}
		for line := range strings.Lines(content(t, file)) {
			if !regexp.MustCompile(`valetkey serve|args: \[serve`).MatchString(line) {
				continue
			}
			for _, flag := range flagName.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(help, "--"+flag[1]) {
					t.Errorf("%s: serve knows no --%s", file, flag[1])
				}
			}
		}
	}
	for _, file := range []string{"systemd/valetkey.yaml", "kubernetes/valetkey.yaml"} {
		if code, _, failed := p.try(t, "", "migrate", "--dry-run", "--config", deploy+file, "--database", "sqlite:"+filepath.Join(t.TempDir(), "v.db"), "--master-secret-file", filepath.Join(t.TempDir(), "s")); code == 2 {
			t.Errorf("%s: %s", file, failed)
		}
	}
}

// TestDeployUnit: systemd takes the unit, and finds it hardened.
func TestDeployUnit(t *testing.T) {
	text := content(t, deploy+"systemd/valetkey.service")
	for _, want := range []string{
		"User=valetkey", "NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=valetkey", "StateDirectoryMode=0700", "CapabilityBoundingSet=\n",
		"LoadCredential=master-secret:", "VALETKEY_MASTER_SECRET_FILE=%d/master-secret", "TimeoutStopSec=20", "ExecReload=/bin/kill -HUP $MAINPID",
	} {
		if !strings.Contains(text, "\n"+want) && !strings.Contains(text, "="+want) {
			t.Errorf("no %s", want)
		}
	}
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Log("systemd-analyze isn't here: the unit is looked at, not verified")
		return
	}
	file := filepath.Join(t.TempDir(), "valetkey.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "/usr/local/bin/valetkey", harness.Binary(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || bytes.Contains(out, []byte("valetkey.service")) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=20", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDeployDockerfile: no image is built here; its steps are held against the
// Makefile and the program, and the program is run as the image would have it:
// alone in an empty root, as a user without a name.
func TestDeployDockerfile(t *testing.T) {
	text, makefile := content(t, deploy+"Dockerfile"), content(t, "../Makefile")
	if !strings.Contains(text, "\nRUN make build VERSION=") || !strings.Contains(makefile, "\nbuild:\n\tgo build -trimpath") ||
		!strings.Contains(makefile, "BIN     := bin/valetkey\n") || !strings.Contains(text, "/src/bin/valetkey /valetkey\n") || !strings.Contains(makefile, "CGO_ENABLED ?= 0") {
		t.Error("the image's program isn't what `make build` makes")
	}
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(content(t, "../go.mod"))
	if !strings.Contains(text, "FROM golang:"+version[1]+" AS build") {
		t.Errorf("go.mod wants Go %s", version[1])
	}
	for _, want := range []string{"\nFROM scratch\n", "\nUSER 65532:65532\n", "ca-certificates.crt /etc/ssl/certs/", `CMD ["/valetkey", "health"]`, `ENTRYPOINT ["/valetkey"]`, `CMD ["serve"]`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("only root can give a process a root of its own")
		return
	}
	root := t.TempDir()
	p := newProcess(t, "VALETKEY_DATA_DIR=/data", "VALETKEY_MASTER_SECRET_FILE=/master-secret")
	for dir := root; strings.HasPrefix(dir, filepath.Join(os.TempDir(), "Test")); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program, err := os.ReadFile(p.Binary)
	if err == nil {
		err = os.WriteFile(filepath.Join(root, "valetkey"), program, 0o755)
	}
	if err == nil {
		err = os.Mkdir(filepath.Join(root, "data"), 0o700)
	}
	if err == nil {
		err = os.Chown(filepath.Join(root, "data"), 65532, 65532)
	}
	// As Kubernetes mounts it: root's, and readable by the group.
	secret := filepath.Join(root, "master-secret")
	if err == nil {
		err = os.WriteFile(secret, []byte(p.Say(t, "secret")), 0o600)
	}
	if err == nil {
		err = errors.Join(os.Chown(secret, 0, 65532), os.Chmod(secret, 0o440))
	}
	if err != nil {
		t.Fatal(err)
	}
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("/valetkey", args...)
		cmd.Env, cmd.Dir = p.Environment, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		return cmd
	}
	p.Cmd, p.Out = inside("serve"), &bytes.Buffer{}
	p.Cmd.Stdout, p.Cmd.Stderr = p.Out, p.Out
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !p.Ready(10 * time.Second) {
		p.Kill()
		t.Fatalf("it doesn't start: %s", p.Out)
	}
	if out, err := inside("health").CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("health: %v %s", err, out)
	}
	if status := answer(t, p.Address, "/readyz", ""); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
}

// TestDeployKubernetes: what hangs together in the manifests does.
func TestDeployKubernetes(t *testing.T) {
	kinds := map[string]map[string]any{}
	kustomization := documents(t, deploy+"kubernetes/kustomization.yaml")[0]
	for _, file := range at(t, kustomization, "resources").([]any) {
		for _, d := range documents(t, deploy+"kubernetes/"+file.(string)) {
			kinds[fmt.Sprint(d["kind"], "/", at(t, d, "metadata", "name"))] = d
		}
	}
	for _, file := range []string{"secret.example.yaml", "servicemonitor.yaml"} {
		for _, d := range documents(t, deploy+"kubernetes/"+file) {
			kinds[fmt.Sprint(d["kind"], "/", at(t, d, "metadata", "name"))] = d
		}
	}
	deployment := kinds["Deployment/valetkey"]
	for _, name := range []string{"Service/valetkey", "Service/valetkey-ops", "PodDisruptionBudget/valetkey", "NetworkPolicy/valetkey", "Secret/valetkey", "ServiceMonitor/valetkey", "Namespace/valetkey"} {
		if kinds[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	pod := at(t, deployment, "spec", "template", "spec")
	container := at(t, pod, "containers", 0)
	for want, path := range map[string][]any{
		"3":              {"spec", "replicas"},
		"0":              {"spec", "strategy", "rollingUpdate", "maxUnavailable"},
		"true":           {"spec", "template", "spec", "securityContext", "runAsNonRoot"},
		"65532":          {"spec", "template", "spec", "securityContext", "runAsUser"},
		"valetkey":       {"spec", "selector", "matchLabels", "app.kubernetes.io/name"},
		"[ALL]":          {"spec", "template", "spec", "containers", 0, "securityContext", "capabilities", "drop"},
		"/readyz":        {"spec", "template", "spec", "containers", 0, "readinessProbe", "httpGet", "path"},
		"/healthz":       {"spec", "template", "spec", "containers", 0, "livenessProbe", "httpGet", "path"},
		"288":            {"spec", "template", "spec", "volumes", 1, "secret", "defaultMode"}, // 0440
		"ops":            {"spec", "template", "spec", "containers", 0, "readinessProbe", "httpGet", "port"},
		"ScheduleAnyway": {"spec", "template", "spec", "topologySpreadConstraints", 0, "whenUnsatisfiable"},
	} {
		if got := fmt.Sprint(at(t, deployment, path...)); got != want {
			t.Errorf("%v is %s, not %s", path, got, want)
		}
	}
	if at(t, container, "securityContext", "readOnlyRootFilesystem") != true || at(t, container, "securityContext", "allowPrivilegeEscalation") != false {
		t.Error("the container may write or rise")
	}
	config := documents(t, deploy+"kubernetes/valetkey.yaml")[0]
	delay, err := time.ParseDuration(at(t, config, "stop-delay").(string))
	grace, _ := time.ParseDuration(fmt.Sprint(at(t, pod, "terminationGracePeriodSeconds"), "s"))
	if err != nil || grace < delay+10*time.Second {
		t.Errorf("%v of grace for %v of delay: %v", grace, delay, err)
	}
	for _, port := range at(t, container, "ports").([]any) {
		key := map[any]string{"http": "listen", "ops": "ops-listen"}[at(t, port, "name")]
		if listen := at(t, config, key); listen != fmt.Sprint("0.0.0.0:", at(t, port, "containerPort")) {
			t.Errorf("%v isn't the port of %s, %v", port, key, listen)
		}
	}
	for _, key := range []string{"database", "master-secret"} {
		at(t, kinds["Secret/valetkey"], "stringData", key)
	}
}
