package selector

import "strings"

// MaxLength is the greatest length in bytes of a text that Parse accepts, white
// space included (semantics.md section 4).
const MaxLength = 1024

// MaxLabel is the greatest length in bytes of a label name that Parse accepts.
const MaxLabel = 512

// maxDepth is how deep parentheses may be nested in ParseCanonical, to bound
// the stack. MaxLength is a tighter bound for Parse.
const maxDepth = 10000

// Parse reads a selector. Blank text means all(). The error is a *SyntaxError,
// and then the selector is nil: there is no such thing as a partly read one.
func Parse(text string) (*Selector, error) {
	if len(text) > MaxLength {
		p := parser{text: text}
		return nil, p.fail(runeStart(text, MaxLength), msgTooLong, hintTooLong)
	}
	return parse(text, MaxLabel)
}

// ParseCanonical reads a selector as Parse does, but without its limits on the
// length of the text and of labels. It is for text that comes from String and
// not from a user: the canonical form of a legal selector, or of one put
// together by And or Prefixed, may be above the limits.
func ParseCanonical(text string) (*Selector, error) {
	return parse(text, len(text))
}

// MustParse is Parse for text that is known to be right; it panics on an error.
func MustParse(text string) *Selector {
	s, err := Parse(text)
	if err != nil {
		panic("selector.MustParse(" + text + "): " + err.Error())
	}
	return s
}

func parse(text string, maxLabel int) (*Selector, error) {
	p := parser{text: text, maxLabel: maxLabel}
	if p.atEnd() {
		return All(), nil
	}
	root, err := p.or()
	if err == nil && !p.atEnd() {
		err = p.fail(p.pos, msgUnexpectedContent, p.hintContinuation())
	}
	if err != nil {
		return nil, err
	}
	return newSelector(root), nil
}

// parser is a recursive descent over the text, without a separate list of
// tokens because what is a keyword depends on what stands before it.
type parser struct {
	text     string
	pos      int // next byte to read
	depth    int // open parentheses
	maxLabel int
}

// fail makes the error for the character at byte offset at.
func (p *parser) fail(at int, message, hint string) *SyntaxError {
	return &SyntaxError{Text: p.text, Offset: at, Message: message, Hint: hint}
}

// space skips white space.
func (p *parser) space() { p.pos += spaceLength(p.text[p.pos:]) }

// atEnd skips white space and says whether the text ends there.
func (p *parser) atEnd() bool {
	p.space()
	return p.pos == len(p.text)
}

// accept skips white space and then token, if that is what comes.
func (p *parser) accept(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

// word skips white space and returns the label characters that follow, without
// reading them; "" if there are none.
func (p *parser) word() string {
	p.space()
	rest := p.text[p.pos:]
	return rest[:wordLength(rest)]
}

func (p *parser) or() (*node, *SyntaxError) { return p.chain(opOr, "||", p.and) }

func (p *parser) and() (*node, *SyntaxError) { return p.chain(opAnd, "&&", p.not) }

// chain reads operands with the operator between them.
func (p *parser) chain(o op, token string, operand func() (*node, *SyntaxError)) (*node, *SyntaxError) {
	var kids []*node
	for {
		kid, err := operand()
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
		if !p.accept(token) {
			return join(o, kids), nil
		}
	}
}

// not reads any number of "!" and the term that they apply to.
func (p *parser) not() (*node, *SyntaxError) {
	negated := false
	for p.accept("!") {
		negated = !negated
	}
	n, err := p.term()
	if err == nil && negated {
		n = negate(n)
	}
	return n, err
}

func (p *parser) term() (*node, *SyntaxError) {
	if p.accept("(") {
		return p.group()
	}
	word := p.word()
	if word == "" {
		return nil, p.failTerm()
	}
	start := p.pos
	p.pos += len(word)
	if strings.HasPrefix(p.text[p.pos:], "(") {
		switch word {
		case "all":
			return p.call(&node{op: opAll})
		case "global":
			return p.call(&node{op: opGlobal})
		case "has":
			return p.has()
		}
	}
	if err := p.checkLabel(word, start); err != nil {
		return nil, err
	}
	return p.comparison(word)
}

// group reads what follows "(".
func (p *parser) group() (*node, *SyntaxError) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail(p.pos-1, msgTooDeep, "")
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	p.depth--
	if !p.accept(")") {
		return nil, p.fail(p.pos, msgExpectedParen, p.hintContinuation())
	}
	return n, nil
}

// call reads "()" and returns n.
func (p *parser) call(n *node) (*node, *SyntaxError) {
	p.pos++
	if !p.accept(")") {
		return nil, p.fail(p.pos, msgExpectedParen, "")
	}
	return n, nil
}

// has reads the "(label)" of a has.
func (p *parser) has() (*node, *SyntaxError) {
	p.pos++
	key := p.word()
	if key == "" {
		return nil, p.fail(p.pos, msgExpectedIdentifier, p.hintLabel())
	}
	if err := p.checkLabel(key, p.pos); err != nil {
		return nil, err
	}
	p.pos += len(key)
	if !p.accept(")") {
		return nil, p.fail(p.pos, msgExpectedParen, "")
	}
	return &node{op: opHas, key: key}, nil
}

func (p *parser) checkLabel(key string, start int) *SyntaxError {
	if len(key) > p.maxLabel {
		return p.fail(start+p.maxLabel, msgLabelTooLong, "")
	}
	return nil
}

// comparison reads what follows a label.
func (p *parser) comparison(key string) (*node, *SyntaxError) {
	o, ok := p.operator()
	if !ok {
		return nil, p.fail(p.pos, msgExpectedOperator, p.hintOperator(key))
	}
	n := &node{op: o, key: key}
	var err *SyntaxError
	if o == opIn || o == opNotIn {
		n.set, err = p.set()
	} else {
		n.value, err = p.str()
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// operator reads a comparison operator. If there is none, it stays before
// what is there instead.
func (p *parser) operator() (op, bool) {
	switch {
	case p.accept("=="):
		return opEqual, true
	case p.accept("!="):
		return opNotEqual, true
	}
	start := p.pos
	first := p.word()
	p.pos += len(first)
	switch first {
	case "in":
		return opIn, true
	case "contains":
		return opContains, true
	case "notin":
		return opNotIn, true
	case "startswith":
		return opStartsWith, true
	case "endswith":
		return opEndsWith, true
	}
	second := p.word()
	p.pos += len(second)
	switch first + " " + second {
	case "not in":
		return opNotIn, true
	case "starts with":
		return opStartsWith, true
	case "ends with":
		return opEndsWith, true
	}
	p.pos = start
	return opAll, false
}

// set reads a set literal, a trailing comma allowed.
func (p *parser) set() ([]string, *SyntaxError) {
	if !p.accept("{") {
		return nil, p.fail(p.pos, msgExpectedSet, p.hintSet())
	}
	var values []string
	for !p.accept("}") {
		if p.atEnd() {
			return nil, p.fail(p.pos, msgExpectedBrace, "")
		}
		value, err := p.str()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		if p.accept(",") {
			continue
		}
		if !p.accept("}") {
			return nil, p.fail(p.pos, msgExpectedBrace, p.hintMember())
		}
		break
	}
	return sortedSet(values), nil
}

// str reads a quoted value.
func (p *parser) str() (string, *SyntaxError) {
	if p.atEnd() {
		return "", p.fail(p.pos, msgExpectedString, hintQuote)
	}
	quote := p.text[p.pos]
	if quote != '\'' && quote != '"' {
		return "", p.fail(p.pos, msgExpectedString, p.hintString())
	}
	rest := p.text[p.pos+1:]
	end := strings.IndexByte(rest, quote)
	if end < 0 {
		return "", p.fail(p.pos, msgUnterminated, p.hintUnterminated())
	}
	p.pos += end + 2
	return rest[:end], nil
}

// failTerm is the error where a condition should begin and does not.
func (p *parser) failTerm() *SyntaxError {
	message := msgUnexpectedToken
	switch rest := p.text[p.pos:]; {
	case rest == "":
		message = msgUnexpectedEnd
	case tokenLength(rest) > 0:
		message = msgExpectedIdentifier
	}
	return p.fail(p.pos, message, p.hintTerm())
}
