"""Where a network is cut into stages: the set of cuts, a dynamic programme, the choice by simulated step."""
