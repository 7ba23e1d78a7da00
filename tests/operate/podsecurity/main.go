// Command podsecurity reads rendered manifests and judges every pod in them by the code with which an API server
// enforces the level "restricted" of the Pod Security Standards.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// A pod, or whatever makes pods from a template.
type manifest struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     struct {
		corev1.PodSpec `json:",inline"`
		Template       *corev1.PodTemplateSpec `json:"template"`
	} `json:"spec"`
}

func main() {
	pods, err := judge(os.Stdin, os.Stdout)
	if err == nil && pods == 0 {
		err = errors.New("there is no pod among the manifests")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(manifests io.Reader, out io.Writer) (int, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return 0, err
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	decoder := yaml.NewYAMLOrJSONDecoder(manifests, 4096)
	pods, faults := 0, error(nil)
	for {
		var read manifest
		if err := decoder.Decode(&read); errors.Is(err, io.EOF) {
			return pods, faults
		} else if err != nil {
			return pods, err
		}
		metadata, spec := &read.Metadata, &read.Spec.PodSpec
		switch {
		case read.Spec.Template != nil:
			metadata, spec = &read.Spec.Template.ObjectMeta, &read.Spec.Template.Spec
		case read.Kind != "Pod":
			continue
		}
		pods++
		verdict := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, metadata, spec))
		fmt.Fprintf(out, "%s %s: restricted: %t\n", read.Kind, read.Metadata.Name, verdict.Allowed)
		if !verdict.Allowed {
			fault := fmt.Errorf("%s %s: %s", read.Kind, read.Metadata.Name, verdict.ForbiddenDetail())
			faults = errors.Join(faults, fault)
		}
	}
}
