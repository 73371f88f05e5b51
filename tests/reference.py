"""Slow, obvious transcriptions of the formulas, in numpy and plain Python."""

import math
from collections import Counter

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def sgns_pairs(input_table, output_table, centers, contexts, negatives):
    """The loss of each pair, one logarithm at a time."""
    losses = []
    for v, u, ks in zip(centers, contexts, negatives, strict=True):
        loss = -np.log(sigmoid(output_table[u] @ input_table[v]))
        for k in ks:
            loss -= np.log(sigmoid(-output_table[k] @ input_table[v]))
        losses.append(loss)
    return np.array(losses)


def sgns_gradients(input_table, output_table, centers, contexts, negatives, weights):
    """The gradient of the weighted sum of `sgns_pairs`, pair by pair."""
    d_input, d_output = np.zeros_like(input_table), np.zeros_like(output_table)
    for v, u, ks, weight in zip(centers, contexts, negatives, weights, strict=True):
        for target, label in [(u, 1), *((k, 0) for k in ks)]:
            error = weight * (sigmoid(output_table[target] @ input_table[v]) - label)
            d_input[v] += error * output_table[target]
            d_output[target] += error * input_table[v]
    return d_input, d_output


def word2vec_c_pair(input_row, output_rows, rate):
    """One pair of word2vec.c with its target first; rows updated in turn as the program does."""
    input_row, output_rows = input_row.copy(), output_rows.copy()
    error = np.zeros_like(input_row)
    for i, row in enumerate(output_rows):
        g = ((1 if i == 0 else 0) - sigmoid(row @ input_row)) * rate
        error += g * row
        output_rows[i] = row + g * input_row
    return input_row + error, output_rows


def window_pairs(documents, reach):
    """All (center, context) position pairs of documents; `reach[i]` of position i."""
    pairs, start = set(), 0
    for document in documents:
        for i in range(len(document)):
            r = reach[start + i]
            for j in range(max(0, i - r), min(len(document), i + r + 1)):
                if i != j:
                    pairs.add((start + i, start + j))
        start += len(document)
    return pairs


def vocabulary(words, min_count):
    counts = Counter(words)
    kept = [word for word in counts if counts[word] >= min_count]
    return sorted(kept, key=lambda word: (-counts[word], word)), counts


def keep_probability(count, total, sample):
    f = count / total
    return min(1.0, math.sqrt(sample / f) + sample / f)


def row_adagrad(params, gradients, state, rate, eps):
    """One accumulator a row, row by row."""
    for i, g in enumerate(gradients):
        state[i] += np.mean(g**2)
        params[i] -= rate * g / np.sqrt(state[i] + eps)


def glove_cells(params, words, contexts, counts, x_max, alpha):
    """The term of each cell."""
    w, c, b, b2 = params
    losses = []
    for i, j, x in zip(words, contexts, counts, strict=True):
        f = 0.0 if x == 0 else min(1.0, (x / x_max) ** alpha)
        error = 0.0 if x == 0 else w[i] @ c[j] + b[i] + b2[j] - math.log(x)
        losses.append(f * error**2)
    return np.array(losses)


def glove_gradients(params, words, contexts, counts, x_max, alpha):
    """The gradient of the sum of `glove_cells`, cell by cell."""
    w, c, b, b2 = params
    gradients = [np.zeros_like(table) for table in params]
    for i, j, x in zip(words, contexts, counts, strict=True):
        if x == 0:
            continue
        f = min(1.0, (x / x_max) ** alpha)
        slope = 2 * f * (w[i] @ c[j] + b[i] + b2[j] - math.log(x))
        gradients[0][i] += slope * c[j]
        gradients[1][j] += slope * w[i]
        gradients[2][i] += slope
        gradients[3][j] += slope
    return gradients


def glove_program(params, words, contexts, counts, x_max, alpha, eta, clip):
    """Stanford's rule, cell by cell: divide by the root of the sum, then add to the sum."""
    w, c, b, b2 = (table.copy() for table in params)
    sums = [np.ones_like(table) for table in params]
    for i, j, x in zip(words, contexts, counts, strict=True):
        error = w[i] @ c[j] + b[i] + b2[j] - math.log(x)
        slope = min(1.0, (x / x_max) ** alpha) * error
        step_w = np.clip(slope * c[j], -clip, clip) * eta
        step_c = np.clip(slope * w[i], -clip, clip) * eta
        w[i] -= step_w / np.sqrt(sums[0][i])
        c[j] -= step_c / np.sqrt(sums[1][j])
        b[i] -= slope / np.sqrt(sums[2][i])
        b2[j] -= slope / np.sqrt(sums[3][j])
        sums[0][i] += step_w**2
        sums[1][j] += step_c**2
        sums[2][i] += slope**2
        sums[3][j] += slope**2
    return w, c, b, b2


def cooccurrences(documents, window, symmetric, distance_weighting):
    """Cell by cell, as a dictionary; the left word is the row."""
    cells = Counter()
    for document in documents:
        for j, right in enumerate(document):
            for i in range(max(0, j - window), j):
                x = 1 / (j - i) if distance_weighting else 1
                cells[document[i], right] += x
                if symmetric:
                    cells[right, document[i]] += x
    return cells


def cbow(input_table, output_table, centers, contexts, negatives, weights, mean):
    """The loss of continuous bag of words, word by word."""
    total = 0.0
    for center, context, ks, ws in zip(centers, contexts, negatives, weights, strict=True):
        if not ws.any():
            continue
        hidden = sum(
            w * input_table[j].astype(np.float64) for w, j in zip(ws, context, strict=True)
        )
        if mean:
            hidden = hidden / ws.sum()
        total -= np.log(sigmoid(output_table[center] @ hidden))
        for k in ks:
            total -= np.log(sigmoid(-output_table[k] @ hidden))
    return total


def cbow_gradients(input_table, output_table, centers, contexts, negatives, weights, mean):
    """The gradient of `cbow`, word by word."""
    inputs, outputs = (table.astype(np.float64) for table in (input_table, output_table))
    d_input, d_output = np.zeros_like(inputs), np.zeros_like(outputs)
    for center, context, ks, ws in zip(centers, contexts, negatives, weights, strict=True):
        if not ws.any():
            continue
        shares = ws / ws.sum() if mean else ws
        hidden = sum(share * inputs[j] for share, j in zip(shares, context, strict=True))
        d_hidden = np.zeros_like(hidden)
        for target, label in [(center, 1), *((k, 0) for k in ks)]:
            error = sigmoid(outputs[target] @ hidden) - label
            d_output[target] += error * hidden
            d_hidden += error * outputs[target]
        for share, j in zip(shares, context, strict=True):
            d_input[j] += share * d_hidden
    return d_input, d_output


def softmax(input_table, output_table, centers, contexts, weights):
    """The cross-entropy of each pair, the probability of every word written out."""
    total = 0.0
    for center, context, weight in zip(centers, contexts, weights, strict=True):
        scores = np.exp(output_table.astype(np.float64) @ input_table[center])
        total -= weight * np.log(scores[context] / scores.sum())
    return total


def softmax_gradients(input_table, output_table, centers, contexts, weights):
    """The gradient of `softmax`, pair by pair."""
    inputs, outputs = (table.astype(np.float64) for table in (input_table, output_table))
    d_input, d_output = np.zeros_like(inputs), np.zeros_like(outputs)
    for center, context, weight in zip(centers, contexts, weights, strict=True):
        errors = np.exp(outputs @ inputs[center])
        errors /= errors.sum()
        errors[context] -= 1
        d_input[center] += weight * errors @ outputs
        d_output += weight * np.outer(errors, inputs[center])
    return d_input, d_output


def sampled_softmax(input_table, output_table, centers, contexts, negatives, log_expected, weights):
    """The cross-entropy of each pair over its context and its samples, one after another."""
    total = 0.0
    pairs = zip(centers, contexts, negatives, log_expected, weights, strict=True)
    for center, context, drawn, logs, weight in pairs:
        scores = np.exp(output_table.astype(np.float64) @ input_table[center])
        others = [scores[word] / np.exp(log) for word, log in zip(drawn, logs, strict=True)
                  if word != context]  # fmt: skip
        total -= weight * np.log(scores[context] / (scores[context] + sum(others)))
    return total


def sampled_softmax_gradients(
    input_table, output_table, centers, contexts, negatives, log_expected, weights
):
    """The gradient of `sampled_softmax`, pair by pair."""
    inputs, outputs = (table.astype(np.float64) for table in (input_table, output_table))
    d_input, d_output = np.zeros_like(inputs), np.zeros_like(outputs)
    pairs = zip(centers, contexts, negatives, log_expected, weights, strict=True)
    for center, context, drawn, logs, weight in pairs:
        times = np.zeros(len(outputs))  # each word stands in the sum
        np.add.at(times, drawn, np.exp(-logs.astype(np.float64)))
        times[context] = 1
        errors = times * np.exp(outputs @ inputs[center])
        errors /= errors.sum()
        errors[context] -= 1
        d_input[center] += weight * errors @ outputs
        d_output += weight * np.outer(errors, inputs[center])
    return d_input, d_output


def bigrams(documents, connectors):
    """How often each word, and each two words with what connectors are between, occur."""
    words, found, total = Counter(), Counter(), 0
    for document in documents:
        total += len(document)
        start = None
        for i, word in enumerate(document):
            if word in connectors:
                continue
            words[word] += 1
            if start is not None:
                found[tuple(document[start : i + 1])] += 1
            start = i
    return words, found, total


def joined(words, phrases, delimiter="_"):
    """The longest run of words that is a phrase, at the first place where one is; and again."""
    result, i = [], 0
    while i < len(words):
        ends = [j for j in range(i + 2, len(words) + 1) if tuple(words[i:j]) in phrases]
        stop = max(ends, default=i + 1)
        result.append(delimiter.join(words[i:stop]))
        i = stop
    return result


def kmeans(units, centers, iterations):
    """Spherical k-means, word by word; yields labels and cosines of each iteration."""
    k = len(centers)
    for _ in range(iterations + 1):
        cosines = np.array([centers @ u for u in units])
        labels = cosines.argmax(axis=1)
        own = cosines.max(axis=1)
        nearest = {label: max(np.flatnonzero(labels == label), key=lambda i: own[i])
                   for label in set(labels.tolist())}  # fmt: skip
        others = [i for i in np.argsort(own, kind="stable") if i not in nearest.values()]
        for empty in sorted(set(range(k)) - set(nearest)):
            i = others.pop(0)
            labels[i], own[i] = empty, units[i] @ units[i]
        yield labels, own
        centers = np.array([units[labels == label].sum(axis=0) for label in range(k)])
        centers /= np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-30)
