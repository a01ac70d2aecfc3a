from sklearn import datasets

from tfnoisy.audit import label_errors

digits = datasets.load_digits()
given_labels = digits.target.copy()
given_labels[:50] = (given_labels[:50] + 1) % 10
found = label_errors.find_label_errors(given_labels, digits.data)
print(found.is_label_issue[:50].mean(), found.is_label_issue[50:].mean())
