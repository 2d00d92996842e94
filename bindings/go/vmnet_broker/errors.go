// SPDX-License-Identifier: Apache-2.0

package vmnet_broker

import (
	"fmt"
	"regexp"
	"strings"
)

// Error is a kind of failure, for [errors.Is]. The numbers are those of
// libvmnet-broker and of the protocol on macOS.
type Error uint32

const (
	ErrXPCFailure     Error = 1 // the broker could not be reached, or has gone
	ErrInvalidReply   Error = 2 // its reply is not understood
	ErrNotAllowed     Error = 3 // this user may not
	ErrInvalidRequest Error = 4 // a parameter is wrong, or the network is not held
	ErrNotFound       Error = 5 // no network of this name is configured
	ErrCreateFailure  Error = 6 // the system refuses, or networks.json has errors
	ErrInternalError  Error = 7 // out of memory, or a limit was reached
	ErrEnded          Error = 8 // somebody has ended a network that was held
)

var sentences = map[Error]string{
	ErrXPCFailure:     "the broker cannot be reached, or has ended the connection",
	ErrInvalidReply:   "the broker's reply is not understood; it may be of another version",
	ErrNotAllowed:     "this user is not allowed to do that",
	ErrInvalidRequest: "the request is not valid",
	ErrNotFound:       "no such network is configured",
	ErrCreateFailure:  "the network or interface cannot be created",
	ErrInternalError:  "out of memory, or a limit was reached",
	ErrEnded:          "somebody has ended a network that was held",
}

// Error is a sentence about failures of this kind.
func (e Error) Error() string {
	if sentence, ok := sentences[e]; ok {
		return sentence
	}
	return "unknown status"
}

// CallError is one failure, for [errors.As]. It is its Kind for [errors.Is], and
// what it was caused by, such as [io/fs.ErrNotExist] where there is no broker.
type CallError struct {
	Kind Error
	// Name is the protocol's, "com.github.nirs.vmnetbroker.NetworkNotFound"; ""
	// where the broker has said nothing, and on macOS.
	Name    string
	Message string // a sentence for people, which names the network
	Network string // "": the call was about none
	// Field is the parameter that was refused, as the protocol calls it ("macAddress"),
	// or the limit that was reached.
	Field string
	cause error
}

// Error is the message.
func (e *CallError) Error() string { return e.Message }

// Is tells whether target is the error's kind.
func (e *CallError) Is(target error) bool { return target == e.Kind }

// Unwrap is what has caused the error, or nil.
func (e *CallError) Unwrap() error { return e.cause }

// failed is an error of which nothing is known but its kind, and perhaps its cause.
func failed(kind Error, network string, cause error) error {
	return &CallError{
		Kind: kind, Message: about(network, kind.Error()), Network: network, cause: cause,
	}
}

// about has a sentence name the network, if there is one.
func about(network, sentence string) string {
	if network == "" || strings.Contains(sentence, `"`+network+`"`) {
		return sentence
	}
	return fmt.Sprintf("network %q: %s", network, sentence)
}

var networkName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$`)

// checkName is made before a call: what is no name need not be text that can be sent.
func checkName(name string) error {
	if networkName.MatchString(name) {
		return nil
	}
	return &CallError{
		Kind:    ErrInvalidRequest,
		Network: name,
		Field:   "network",
		Message: `"` + name + `" is no network name: it is 1 to 63 of a-z A-Z 0-9 . _ - and ` +
			"starts with a letter or digit",
	}
}
