// Package follow has a test type what a page of the documentation says, word by
// word, so that the page stays true.
package follow

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// Page is one that is being followed, block by block.
type Page struct {
	*testing.T
	Shell   func(text string) *exec.Cmd // what the reader types into
	Instead []string                    // pairs: what stands on the page, and what the reader puts there
	Exports string                      // what the page has had them export so far

	blocks [][2]string // language and text, in the order of the page
}

// Open reads a page.
func Open(t *testing.T, file string) *Page {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &Page{T: t}
	for _, block := range regexp.MustCompile("(?s)```([a-z]+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		p.blocks = append(p.blocks, [2]string{block[1], block[2]})
	}
	return p
}

// Next is the page's next block, which begins so.
func (p *Page) Next(language, begin string) string {
	p.Helper()
	if len(p.blocks) == 0 {
		p.Fatalf("the page ends before %q", begin)
	}
	block := p.blocks[0]
	p.blocks = p.blocks[1:]
	if block[0] != language || !strings.HasPrefix(block[1], begin) {
		p.Fatalf("the page has %q in %s, not %q", block[1], block[0], begin)
	}
	return strings.NewReplacer(p.Instead...).Replace(block[1])
}

// Types has the reader type the next block, and returns what they see.
func (p *Page) Types(begin string) string {
	p.Helper()
	return p.Answers(begin, "")
}

// Answers is Types of a block that asks for input.
func (p *Page) Answers(begin, input string) string {
	p.Helper()
	block := p.Next("sh", begin)
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, "export ") {
			p.Exports += line
		}
	}
	command := p.Shell(p.Exports + block)
	command.Stdin = strings.NewReader(input)
	out, err := command.CombinedOutput()
	if err != nil {
		p.Fatalf("%s%v\n%s", block, err, out)
	}
	return string(out)
}

// Sees fails unless what is on the screen has it in it; it returns its last group.
func (p *Page) Sees(screen, form string) (found string) {
	p.Helper()
	parts := regexp.MustCompile(form).FindStringSubmatch(screen)
	if parts == nil {
		p.Fatalf("%s is not in\n%s", form, screen)
	}
	return parts[len(parts)-1]
}

// Ends fails where there is something on the page that nobody tried.
func (p *Page) Ends() {
	p.Helper()
	if len(p.blocks) > 0 {
		p.Errorf("nobody tried %v", p.blocks)
	}
}
