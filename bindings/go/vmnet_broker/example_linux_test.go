// SPDX-License-Identifier: Apache-2.0

package vmnet_broker_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"time"

	"github.com/nirs/vmnet-broker/bindings/go/vmnet_broker"
)

// A program that is started gets the open device as its descriptor 3.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	network, err := vmnet_broker.Acquire(ctx, "default")
	if err != nil {
		log.Fatal(err)
	}
	defer network.Close()
	fmt.Println(network.Name, network.Mode, network.Active)

	nic, err := network.Attach(ctx, &vmnet_broker.AttachOptions{
		Name: "web", MAC: "52:54:00:12:34:56",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer nic.Close()
	fmt.Println(nic.Name, nic.MAC)

	machine := exec.Command("readlink", "/proc/self/fd/3")
	machine.ExtraFiles = []*os.File{nic.File()}
	machine.Stdout = os.Stdout
	if err := machine.Run(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// default shared true
	// web 52:54:00:12:34:56
	// /dev/net/tun
}

// A frame comes with a struct virtio_net_hdr before it.
func ExampleBroker_Capture() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	broker, err := vmnet_broker.Connect(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer broker.Close()
	network, err := broker.Acquire(ctx, "default")
	if err != nil {
		log.Fatal(err)
	}
	nic, err := network.Attach(ctx, &vmnet_broker.AttachOptions{MAC: "52:54:00:12:34:57"})
	if err != nil {
		log.Fatal(err)
	}
	defer nic.Close()
	capture, err := broker.Capture(ctx, "default", nic.Device)
	if err != nil {
		log.Fatal(err)
	}
	defer capture.Close()

	// What a machine would send: to everybody, of a type for experiments.
	frame := []byte("\xff\xff\xff\xff\xff\xff\x52\x54\x00\x12\x34\x57\x88\xb5hello")
	if _, err := nic.File().Write(append(make([]byte, 10), frame...)); err != nil {
		log.Fatal(err)
	}
	deadline, _ := ctx.Deadline()
	if err := capture.SetReadDeadline(deadline); err != nil {
		log.Fatal(err)
	}
	for buffer := make([]byte, 1<<17); ; {
		n, err := capture.Read(buffer)
		if err != nil {
			log.Fatal(err)
		}
		if bytes.HasPrefix(buffer[10:n], frame) {
			fmt.Println("it was sent")
			break
		}
	}
	// Output:
	// it was sent
}
