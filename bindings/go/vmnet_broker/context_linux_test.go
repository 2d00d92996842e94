// SPDX-License-Identifier: Apache-2.0

package vmnet_broker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nirs/vmnet-broker/bindings/go/vmnet_broker"
)

// slow is a broker for one client that answers when it is told to.
type slow struct {
	t        *testing.T
	client   net.Conn
	requests *bufio.Reader
}

const (
	acquired = `{"parameters":{"configuration":{"name":"lab","mode":"host","mtu":1500},` +
		`"removed":false,"state":{"mtu":1500,"clients":1,"interfaces":0}}}` + "\x00"
	attached = `{"parameters":{"interface":{"device":"vmt0","macAddress":"52:54:00:12:34:56",` +
		`"mtu":1500,"vnetHeader":true,"uid":1,"portForwarding":[],"attachedTimestamp":1},` +
		`"tapFileDescriptors":[0],"vhostFileDescriptors":[]}}` + "\x00"
	done = `{"parameters":{}}` + "\x00"
)

// connect makes a slow broker, and a connection to it.
func connect(t *testing.T) (*slow, *vmnet_broker.Broker) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Setenv("VMNET_BROKER_SOCKET", path)
	broker, err := vmnet_broker.Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	client, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		broker.Close()
		client.Close()
	})
	return &slow{t, client, bufio.NewReader(client)}, broker
}

// expect waits for a request of this method.
func (s *slow) expect(method string) {
	s.t.Helper()
	text, err := s.requests.ReadBytes(0)
	if err != nil {
		s.t.Fatal(err)
	}
	var request struct{ Method string }
	if err := json.Unmarshal(text[:len(text)-1], &request); err != nil {
		s.t.Fatal(err)
	}
	if request.Method != "com.github.nirs.vmnetbroker."+method {
		s.t.Fatalf("%s instead of %s", request.Method, method)
	}
}

func (s *slow) answer(text string, files ...*os.File) {
	s.t.Helper()
	var fds []int
	for _, file := range files {
		fds = append(fds, int(file.Fd()))
	}
	_, _, err := s.client.(*net.UnixConn).WriteMsgUnix(
		[]byte(text), syscall.UnixRights(fds...), nil)
	if err != nil {
		s.t.Fatal(err)
	}
}

// cancelled has call begin, cancels it when the broker has got it, and waits for its end.
func cancelled(t *testing.T, s *slow, method string, call func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- call(ctx) }()
	s.expect(method)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestAcquireThatIsCancelledIsGivenBack(t *testing.T) {
	s, broker := connect(t)
	cancelled(t, s, "Acquire", func(ctx context.Context) error {
		_, err := broker.Acquire(ctx, "lab")
		return err
	})
	s.answer(acquired)
	s.expect("Release")
	s.answer(done)
}

func TestOtherCallsGoOnAfterOneThatIsCancelled(t *testing.T) {
	s, broker := connect(t)
	cancelled(t, s, "Reload", broker.Reload)
	result := make(chan error, 1)
	go func() { result <- broker.Reload(context.Background()) }()
	s.answer(done)
	s.expect("Reload")
	s.answer(done)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestDescriptorsOfAnAttachThatIsCancelledAreClosed(t *testing.T) {
	s, broker := connect(t)
	network := s.acquire(broker)
	cancelled(t, s, "Attach", func(ctx context.Context) error {
		_, err := network.Attach(ctx, nil)
		return err
	})
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.answer(attached, writer)
	writer.Close()
	// The pipe ends with the last descriptor of its other side.
	if err := reader.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the descriptor is open still")
	}
}

func (s *slow) acquire(broker *vmnet_broker.Broker) *vmnet_broker.Network {
	s.t.Helper()
	var network *vmnet_broker.Network
	var err error
	var wait sync.WaitGroup
	wait.Add(1)
	go func() {
		defer wait.Done()
		network, err = broker.Acquire(context.Background(), "lab")
	}()
	s.expect("Acquire")
	s.answer(acquired)
	wait.Wait()
	if err != nil {
		s.t.Fatal(err)
	}
	return network
}

func TestAHoldIsGivenBackWithTheLastNetworkOfIt(t *testing.T) {
	s, broker := connect(t)
	first, second := s.acquire(broker), s.acquire(broker)
	for i := 0; i < 2; i++ { // the second time does nothing
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	result := make(chan error, 1)
	go func() { result <- second.Close() }()
	s.expect("Release")
	s.answer(done)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsACallThatWaits(t *testing.T) {
	s, broker := connect(t)
	result := make(chan error, 1)
	go func() { result <- broker.Reload(context.Background()) }()
	s.expect("Reload")
	broker.Close()
	err := <-result
	if !errors.Is(err, vmnet_broker.ErrXPCFailure) || !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
}

func TestACallThatWaitsForAnotherIsCancelled(t *testing.T) {
	s, broker := connect(t)
	cancelled(t, s, "Reload", broker.Reload)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := broker.Networks(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestWithoutABroker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nowhere")
	t.Setenv("VMNET_BROKER_SOCKET", path)
	_, err := vmnet_broker.Acquire(context.Background(), "lab")
	if !errors.Is(err, vmnet_broker.ErrXPCFailure) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if address := vmnet_broker.Address(); address != path {
		t.Fatal(address)
	}
}
